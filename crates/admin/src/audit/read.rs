//! Reading the audit log, the newest record first.

use super::record::{self, AuditRecord};
use super::verify::{Verified, files};
use crate::api::{Checked, check_name};
use crate::query::Query;
use crate::refusal::{Refusal, fault};
use peregrine_net::http::Fault;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::Path;
use utoipa::ToSchema;

/// How many records there are on a page, unless it is said.
const LIMIT: usize = 100;
/// The most.
const LIMIT_MAX: usize = 1000;

/// Which records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AuditQuery {
    pub(crate) limit: usize,
    /// Only those with smaller numbers.
    pub(crate) before: Option<u64>,
    /// Only of those whose names have this in them.
    pub(crate) who: Option<String>,
    /// Only calls whose words have this in them.
    pub(crate) what: Option<String>,
}

/// A page of the log.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
pub struct AuditPage {
    /// The newest first.
    pub records: Vec<AuditRecord>,
    /// Whether the whole log is as it was written.
    pub verified: Verified,
}

impl Checked for AuditQuery {
    fn check(&self, faults: &mut Vec<Fault>) {
        if !(1..=LIMIT_MAX).contains(&self.limit) {
            faults.push(fault("limit", format!("is not between 1 and {LIMIT_MAX}")));
        }
        for (name, value) in [("who", &self.who), ("what", &self.what)] {
            if let Some(value) = value {
                check_name(name, value, faults);
            }
        }
    }
}

impl AuditQuery {
    /// Reads it from a query.
    pub(crate) fn from_query(query: Option<&str>) -> Result<Self, Refusal> {
        let mut faults = Vec::new();
        let mut query = Query::parse(query, &["limit", "before", "who", "what"], &mut faults);
        let limit = query
            .number("limit", &mut faults)
            .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let asked = Self {
            limit: limit.unwrap_or(LIMIT),
            before: query.number("before", &mut faults),
            who: query.take("who"),
            what: query.take("what"),
        };
        asked.check(&mut faults);
        if faults.is_empty() {
            Ok(asked)
        } else {
            Err(Refusal::invalid(faults))
        }
    }

    fn takes(&self, record: &AuditRecord) -> bool {
        let has = |text: &str, wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| text.contains(wanted));
        self.before.is_none_or(|before| record.seq < before)
            && has(&record.who, &self.who)
            && has(&record.what, &self.what)
    }

    /// Those of `records`, which come newest first.
    pub(crate) fn of<'a>(&self, records: impl Iterator<Item = &'a AuditRecord>) -> Vec<AuditRecord> {
        records
            .filter(|record| self.takes(record))
            .take(self.limit)
            .cloned()
            .collect()
    }
}

/// The records in `directory` that `asked` wants. Lines that are no records are passed over: whether there are any, verifying
/// says.
pub(crate) fn page(directory: &Path, asked: &AuditQuery) -> io::Result<Vec<AuditRecord>> {
    let mut records = Vec::new();
    for path in files(directory)?.iter().rev() {
        let bytes = fs::read(path)?;
        for line in bytes.split(|byte| *byte == b'\n').rev() {
            if records.len() >= asked.limit {
                return Ok(records);
            }
            if let Ok(parsed) = record::parse(line)
                && asked.takes(&parsed.record)
            {
                records.push(parsed.record);
            }
        }
    }
    Ok(records)
}
