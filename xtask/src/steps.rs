//! Steps of a longer command, and where its time goes.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::shell;

/// Clock ticks of `/proc` per second, on every Linux.
const TICKS_PER_SECOND: u64 = 100;

/// What ran so far, and how long it took.
#[derive(Default)]
pub struct Steps(Vec<Step>);

struct Step {
    name: &'static str,
    wall: Duration,
    /// Time of all processors, where the system says.
    cpu: Option<Duration>,
}

impl Steps {
    /// Runs a program as a step.
    ///
    /// # Errors
    /// When it does not exit with 0.
    pub fn command(&mut self, name: &'static str, mut command: Command) -> Result<()> {
        self.step(name, || shell::run(&mut command))
    }

    /// Runs a step.
    ///
    /// # Errors
    /// Those of the step, with its name.
    pub fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("\n== {name}");
        let (start, before) = (Instant::now(), cpu_of_children());
        let result = work().with_context(|| format!("the step \"{name}\" failed"));
        let cpu = before.and_then(|before| Some(cpu_of_children()?.saturating_sub(before)));
        self.0.push(Step { name, wall: start.elapsed(), cpu });
        result
    }

    /// Prints the times of all steps, and their sum.
    pub fn print(&self) {
        println!("\n== time per step{:>16} {:>10}", "wall", "CPU");
        for Step { name, wall, cpu } in &self.0 {
            println!("{name:<20} {:>8.1} s {:>8} s", wall.as_secs_f64(), seconds(*cpu));
        }
        let wall: Duration = self.0.iter().map(|step| step.wall).sum();
        let cpu: Option<Duration> = self.0.iter().map(|step| step.cpu).sum();
        println!("{:<20} {:>8.1} s {:>8} s", "all", wall.as_secs_f64(), seconds(cpu));
    }
}

/// Seconds with one digit, or a dash.
pub fn seconds(time: Option<Duration>) -> String {
    time.map_or("-".to_owned(), |time| format!("{:.1}", time.as_secs_f64()))
}

/// The time that a running process and the children it has waited for took of all processors. Linux alone says.
pub fn cpu_of(process: u32) -> Option<Duration> {
    let ticks = ticks(&process.to_string())?;
    Some(Duration::from_millis(ticks.iter().sum::<u64>() * 1000 / TICKS_PER_SECOND))
}

/// The time that the finished children of this process took.
fn cpu_of_children() -> Option<Duration> {
    let [_, _, user, system] = ticks("self")?;
    Some(Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND))
}

/// User and system time of a process, and those of its finished children.
fn ticks(process: &str) -> Option<[u64; 4]> {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program is the only field that may have spaces or brackets.
    let (_, fields) = line.rsplit_once(')')?;
    let fields: Vec<u64> =
        fields.split_whitespace().skip(11).take(4).filter_map(|f| f.parse().ok()).collect();
    fields.try_into().ok()
}
