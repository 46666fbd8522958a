// Work that is shared by threads.

#ifndef TOOLS_WORKERS_HPP
#define TOOLS_WORKERS_HPP

#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

// Calls `work(index, worker)` for every index below `count`, on `workers` threads. The first exception is thrown again, after all
// threads have ended.
template <class Work>
void in_parallel(std::size_t count, std::size_t workers, Work&& work) {
    std::atomic<std::size_t> next{0};
    std::exception_ptr failure;
    std::mutex lock;
    const auto run = [&](std::size_t worker) {
        try {
            for (std::size_t i = next++; i < count; i = next++) work(i, worker);
        } catch (...) {
            next = count;
            const std::lock_guard<std::mutex> guard(lock);
            if (!failure) failure = std::current_exception();
        }
    };
    std::vector<std::thread> others;
    for (std::size_t w = 1; w < workers; ++w) others.emplace_back(run, w);
    run(0);
    for (std::thread& other : others) other.join();
    if (failure) std::rethrow_exception(failure);
}

#endif  // TOOLS_WORKERS_HPP
