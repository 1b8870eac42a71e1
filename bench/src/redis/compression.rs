//! What compression spares Redis of JSON, and what it costs: lists of the sample shop, each of products with what people wrote
//! about them.

use super::node::{Keeping, Node};
use super::{Effort, beside, count, float, own_processor_time, server};
use crate::report::{Budget, Cell, Section, Table};
use bytes::Bytes;
use peregrine_base::ByteSize;
use peregrine_cache::{Compression, Tier};
use peregrine_lab::shop::{Catalogue, Product};
use peregrine_test_servers::RedisServer;

/// What is aimed at: 60% to 80%.
const SPARED_MIN: f64 = 60.0;
/// Products on a page.
const PAGE: u32 = 12;
/// Pages at the same time.
const AT_ONCE: usize = 32;

const WAYS: [(Compression, &str); 6] = [
    (Compression::Off, "off"),
    (Compression::Auto, "auto"),
    (Compression::Zstd, "zstd"),
    (Compression::Lz4, "lz4"),
    (Compression::Gzip, "gzip"),
    (Compression::Brotli, "brotli"),
];

/// What writing and reading all pages took.
struct Took {
    redis_bytes: f64,
    body_bytes: f64,
    writing_us: f64,
    reading_us: f64,
}

/// Adds the table and its budget.
pub(super) fn measure(section: &mut Section, effort: &Effort) -> Result<(), String> {
    let catalogue = Catalogue::generate(1, effort.pages * PAGE);
    let page = |products: &[Product]| serde_json::to_vec(products).map(Bytes::from);
    let pages: Result<Vec<Bytes>, _> = catalogue.products().chunks(PAGE as usize).map(page).collect();
    let pages = pages.map_err(|error| error.to_string())?;
    let plain: usize = pages.iter().map(Bytes::len).sum();
    let mut all = Vec::new();
    for (compression, name) in WAYS {
        let server = server();
        all.push((name, beside(of(&server, compression, &pages))??));
    }
    let columns = [
        "compression",
        "bytes of Redis per page",
        "spared of Redis",
        "spared of the bodies",
        "CPU to write, µs per page more than off",
        "CPU to read, µs per page more than off",
    ];
    let kib = count(plain) / count(pages.len()) / 1024.0;
    let mut table = Table::new(format!("{} pages of JSON, {kib:.1} KiB each", pages.len()), &columns);
    let off = &all[0].1;
    let each = count(pages.len());
    for (name, took) in &all {
        let cells = vec![
            Cell::Number(took.redis_bytes / each, 0),
            Cell::Share(1.0 - took.redis_bytes / off.redis_bytes),
            Cell::Share(1.0 - took.body_bytes / count(plain)),
            Cell::Number(took.writing_us - off.writing_us, 1),
            Cell::Number(took.reading_us - off.reading_us, 1),
        ];
        table.row(*name, cells);
    }
    section.tables.push(table);
    let auto = &all[1].1;
    section.budgets.push(Budget::at_least(
        "memory of Redis that compression spares on JSON",
        SPARED_MIN,
        "%",
        Some((1.0 - auto.redis_bytes / off.redis_bytes) * 100.0),
    ));
    Ok(())
}

fn used_bytes(server: &RedisServer) -> f64 {
    server.info("used_memory").parse().unwrap_or(f64::NAN)
}

async fn of(server: &RedisServer, compression: Compression, pages: &[Bytes]) -> Result<Took, String> {
    let keeping = Keeping {
        tier: Tier::Redis,
        compression,
        memory: ByteSize::mib(64),
    };
    let node = Node::start(server, "a", keeping).await?;
    let (used, before) = (used_bytes(server), own_processor_time());
    for (round, some) in pages.chunks(AT_ONCE).enumerate() {
        for (number, page) in some.iter().enumerate() {
            let name = format!("page-{}", round * AT_ONCE + number);
            node.load(&name, page.clone(), Vec::new()).await?;
        }
        // What waits to be written is bounded.
        let written = (round * AT_ONCE + some.len()) as u64;
        node.stored(written).await?;
    }
    let writing = own_processor_time().saturating_sub(before);
    let redis_bytes = used_bytes(server) - used;
    let before = own_processor_time();
    for (number, page) in pages.iter().enumerate() {
        let hit = node.read(&format!("page-{number}")).await?;
        if hit.body().to_bytes() != page {
            return Err(format!("page {number} came back as another"));
        }
    }
    let reading = own_processor_time().saturating_sub(before);
    let each = |span: std::time::Duration| span.as_secs_f64() * 1e6 / count(pages.len());
    let statistics = node.tier();
    Ok(Took {
        redis_bytes,
        body_bytes: float(statistics.bytes_written),
        writing_us: each(writing),
        reading_us: each(reading),
    })
}
