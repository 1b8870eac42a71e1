//! The start until the first answer, and what an idle program occupies.

use crate::http::Effort;
use crate::http::process::Server;
use crate::http::servers::{Cache, Servers, Setup};
use crate::pinning;
use crate::report::{Budget, Cell, Section, Table, median};
use std::time::Duration;

/// The budgets (DESIGN, section 9).
const START_MS_MAX: f64 = 100.0;
const IDLE_MB_MAX: f64 = 15.0;
/// How long a program that has answered once is left alone before it is weighed.
const REST: Duration = Duration::from_millis(300);

/// Adds the table and its budgets.
pub(super) fn measure(
    section: &mut Section,
    effort: &Effort,
    servers: &Servers,
    origin: &Server,
) -> Result<(), String> {
    let (mut started_ms, mut idle_mb) = (Vec::new(), Vec::new());
    let setup = Setup::ample(origin.address, pinning::cores());
    for _ in 0..effort.starts {
        let running = servers.caches(&setup, &mut section.notes);
        std::thread::sleep(REST);
        for server in &running {
            started_ms.push((server.name, server.started_in.as_secs_f64() * 1e3));
            #[expect(clippy::cast_precision_loss, reason = "memory is less than 2^53 bytes")]
            idle_mb.push((server.name, server.resident_bytes() as f64 / 1e6));
        }
    }
    let middle = |numbers: &[(&str, f64)], name: &str| {
        let of_name: Vec<f64> = numbers
            .iter()
            .filter(|(other, _)| *other == name)
            .map(|(_, number)| *number)
            .collect();
        (!of_name.is_empty()).then(|| median(&of_name))
    };
    let mut table = Table::new(
        "Start and rest",
        &["server", "ms to the first answer", "resident MB, idle"],
    );
    let own = Cache::Peregrine.name();
    for name in Cache::ALL.map(Cache::name) {
        if let (Some(start), Some(idle)) = (middle(&started_ms, name), middle(&idle_mb, name)) {
            table.row(name, vec![Cell::Number(start, 1), Cell::Number(idle, 1)]);
        }
    }
    section.tables.push(table);
    section.budgets.push(Budget::at_most(
        "start to first answer",
        START_MS_MAX,
        "ms",
        middle(&started_ms, own),
    ));
    section.budgets.push(Budget::at_most(
        "resident when idle",
        IDLE_MB_MAX,
        "MB",
        middle(&idle_mb, own),
    ));
    Ok(())
}
