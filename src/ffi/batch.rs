//! Many blocks at once, on the caller's threads.

use super::block::{decode_block, encode_block};
use super::codec::kakeya_codec;
use super::codes::{KAKEYA_OK, kakeya_status};
use super::rows::{kakeya_rows, kakeya_rows_mut};
use super::sized::{SizedStruct, init, read_element, sized, write_out};
use super::slice;
use super::status::{MESSAGE_BYTES, guard, record, with_last};
use super::workspace::kakeya_workspace;
use crate::error::{Count, Error, Result};
use libc::{c_char, c_void, size_t};
use std::ptr;

/// One block to encode. Start from `KAKEYA_ENCODE_ITEM_INIT` and set all fields.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_encode_item {
    /// `sizeof(kakeya_encode_item)`.
    pub struct_size: size_t,
    /// The rows.
    pub rows: *const kakeya_rows,
    /// Where the block goes.
    pub dst: *mut c_void,
    /// Bytes at `dst`.
    pub dst_cap: size_t,
}

/// One block to decode. Start from `KAKEYA_DECODE_ITEM_INIT` and set all fields.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_decode_item {
    /// `sizeof(kakeya_decode_item)`.
    pub struct_size: size_t,
    /// The block.
    pub src: *const c_void,
    /// Bytes at `src`.
    pub src_len: size_t,
    /// Where the rows go.
    pub rows: *const kakeya_rows_mut,
}

/// The result of one item.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_batch_result {
    /// Status of this item.
    pub status: kakeya_status,
    /// Always 0.
    pub reserved: u32,
    /// Bytes written by the encoder, or read by the decoder.
    pub bytes: u64,
    /// Message of the failure, NUL-terminated; empty on success.
    pub message: [c_char; 240],
}

/// One piece of a batch: runs item `index` with workspace `worker`. `state` is what the runner was given.
pub type kakeya_task = Option<unsafe extern "C" fn(state: *mut c_void, index: size_t, worker: size_t)>;

/// Calls `task(state, index, worker)` once for every `index` below `n_tasks`, on any threads, and returns
/// when all are done. No two tasks may run at the same time with the same `worker`, which is below
/// `n_workers`. `opaque` is the pointer that was given to the batch call. Must not throw.
pub type kakeya_runner = Option<
    unsafe extern "C" fn(
        opaque: *mut c_void,
        task: kakeya_task,
        state: *mut c_void,
        n_tasks: size_t,
        n_workers: size_t,
    ),
>;

sized!(kakeya_encode_item { rows: ptr::null(), dst: ptr::null_mut(), dst_cap: 0 });
sized!(kakeya_decode_item { src: ptr::null(), src_len: 0, rows: ptr::null() });

/// Fills `item` with the defaults, as `KAKEYA_ENCODE_ITEM_INIT` does.
///
/// # Safety
/// `item` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_encode_item_init(
    item: *mut kakeya_encode_item,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    unsafe { init(item, struct_size) }
}

/// Fills `item` with the defaults, as `KAKEYA_DECODE_ITEM_INIT` does.
///
/// # Safety
/// `item` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_decode_item_init(
    item: *mut kakeya_decode_item,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    unsafe { init(item, struct_size) }
}

/// Encodes `n` blocks with one codec. `runner` spreads the items over the caller's threads; with NULL they
/// run one after the other, with `workspaces[0]`. `results[i]`, of `result_size` bytes each, receives status,
/// size and message of item `i`; an item that the runner leaves out is NOT_RUN. Returns `KAKEYA_OK` if every
/// item succeeded, otherwise the status of the first one that did not.
///
/// Pointers: `workspaces` has one workspace per worker, all different. The destinations of items must not
/// overlap.
///
/// # Safety
/// `codec` is live; `workspaces` has `n_workspaces` live workspaces, all different; `items` has `n` items as
/// for `kakeya_encode`, whose destinations are apart; `results` has `n * result_size` writable bytes;
/// `runner` keeps its contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_encode_batch(
    codec: *const kakeya_codec,
    workspaces: *const *mut kakeya_workspace,
    n_workspaces: size_t,
    items: *const kakeya_encode_item,
    n: size_t,
    runner: kakeya_runner,
    opaque: *mut c_void,
    results: *mut kakeya_batch_result,
    result_size: size_t,
) -> kakeya_status {
    let run = |index: usize, workspace: *const kakeya_workspace| {
        // SAFETY: the caller vouches for the items.
        unsafe {
            let item = read_element(items, index)?;
            encode_block(codec, workspace, item.rows, item.dst, item.dst_cap)
        }
    };
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        batch(run, workspaces, n_workspaces, items.is_null(), n, (runner, opaque), results, result_size)
    }
}

/// Decodes `n` blocks with one codec; otherwise like `kakeya_encode_batch`.
///
/// # Safety
/// As `kakeya_encode_batch`, with items as for `kakeya_decode`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_decode_batch(
    codec: *const kakeya_codec,
    workspaces: *const *mut kakeya_workspace,
    n_workspaces: size_t,
    items: *const kakeya_decode_item,
    n: size_t,
    runner: kakeya_runner,
    opaque: *mut c_void,
    results: *mut kakeya_batch_result,
    result_size: size_t,
) -> kakeya_status {
    let run = |index: usize, workspace: *const kakeya_workspace| {
        // SAFETY: the caller vouches for the items.
        unsafe {
            let item = read_element(items, index)?;
            decode_block(codec, workspace, item.src, item.src_len, None, item.rows)
        }
    };
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        batch(run, workspaces, n_workspaces, items.is_null(), n, (runner, opaque), results, result_size)
    }
}

/// What the tasks of a batch share.
struct Batch<F> {
    run: F,
    workspaces: *const *mut kakeya_workspace,
    n_workspaces: usize,
    n: usize,
    results: *mut kakeya_batch_result,
    result_size: usize,
}

impl<F: Fn(usize, *const kakeya_workspace) -> Result<usize>> Batch<F> {
    /// Writes the result of an item.
    fn report(&self, index: usize, status: kakeya_status, bytes: usize) {
        let mut message = [0; MESSAGE_BYTES];
        if status != KAKEYA_OK {
            with_last(|last| {
                for (to, &from) in message.iter_mut().zip(last.bytes()) {
                    *to = from as c_char;
                }
            });
        }
        let result = kakeya_batch_result { status, reserved: 0, bytes: bytes as u64, message };
        let to = self.results.wrapping_byte_add(index * self.result_size);
        // SAFETY: the caller vouches for `n` results of `result_size` bytes, and each item has its own.
        unsafe { write_out(to, self.result_size, &result) };
    }

    fn run(&self, index: usize, worker: usize) {
        if index >= self.n || worker >= self.n_workspaces {
            return;
        }
        let mut bytes = 0;
        let status = guard(|| {
            // SAFETY: within the array that the caller vouches for.
            let workspace = unsafe { self.workspaces.add(worker).read() };
            bytes = (self.run)(index, workspace)?;
            Ok(())
        });
        self.report(index, status, bytes);
    }

    /// The first failure, as this thread's last error.
    fn outcome(&self) -> kakeya_status {
        for index in 0..self.n {
            let result = self.results.wrapping_byte_add(index * self.result_size);
            // SAFETY: written by `report`; the status comes first.
            let status = unsafe { result.cast::<kakeya_status>().read_unaligned() };
            if status == KAKEYA_OK {
                continue;
            }
            // The message was recorded on the thread that ran the item; a result may be too short to hold it.
            let offset = std::mem::offset_of!(kakeya_batch_result, message);
            let len = self.result_size.saturating_sub(offset).min(MESSAGE_BYTES);
            // SAFETY: `report` wrote the result, of which this is the part from `message` on.
            let message = unsafe { slice::bytes(result.wrapping_byte_add(offset).cast(), len, "results") };
            with_last(|last| last.set(message.unwrap_or_default()));
            return status;
        }
        KAKEYA_OK
    }
}

/// The task that is handed to the runner.
///
/// # Safety
/// `state` is the [`Batch`] of a call that has not returned.
unsafe extern "C" fn task<F: Fn(usize, *const kakeya_workspace) -> Result<usize>>(
    state: *mut c_void,
    index: size_t,
    worker: size_t,
) {
    // SAFETY: as above; tasks only share it.
    let batch = unsafe { &*state.cast::<Batch<F>>() };
    batch.run(index, worker);
}

/// # Safety
/// As `kakeya_encode_batch`.
#[allow(clippy::too_many_arguments)] // the functions of the C API have as many
unsafe fn batch<F: Fn(usize, *const kakeya_workspace) -> Result<usize>>(
    run: F,
    workspaces: *const *mut kakeya_workspace,
    n_workspaces: usize,
    no_items: bool,
    n: usize,
    (runner, opaque): (kakeya_runner, *mut c_void),
    results: *mut kakeya_batch_result,
    result_size: usize,
) -> kakeya_status {
    let mut outcome = KAKEYA_OK;
    let status = guard(|| {
        if no_items && n > 0 {
            return Err(Error::NullPointer { what: "items" });
        }
        // SAFETY: the caller vouches for the array.
        unsafe { slice::array(workspaces, n_workspaces, "workspaces") }?;
        let results = slice::out(results, "results")?;
        if n_workspaces == 0 {
            return Err(Error::BadShape { what: "n_workspaces", got: 0, expected: Count::AtLeast(1) });
        }
        const SMALLEST: usize = 16;
        if result_size < SMALLEST || n.checked_mul(result_size).is_none() {
            return Err(Error::BadShape {
                what: "result_size",
                got: result_size,
                expected: Count::AtLeast(SMALLEST),
            });
        }
        let mut batch = Batch { run, workspaces, n_workspaces, n, results, result_size };
        match runner {
            None => (0..n).for_each(|index| batch.run(index, 0)),
            Some(runner) => {
                let status = record(&Error::NotRun);
                (0..n).for_each(|index| batch.report(index, status, 0));
                let state = ptr::from_mut(&mut batch).cast();
                // SAFETY: the runner keeps its contract, and `batch` outlives it.
                unsafe { runner(opaque, Some(task::<F>), state, n, n_workspaces) };
            }
        }
        outcome = batch.outcome();
        Ok(())
    });
    if status == KAKEYA_OK { outcome } else { status }
}
