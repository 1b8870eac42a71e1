//! The plane between a client and a real origin: what no step could keep alone.

mod apart;
mod bench;

mod conditions;
mod confirming;
mod contents;
mod counting;
mod decoding;
mod doubt;
mod encoding;
mod ending;
mod keeping;
mod negotiation;
mod own;
mod partial;
mod parting;
mod poisoning;
mod posting;
mod purging;
mod queries;
mod renewed_parts;
mod routing;
mod short;
mod siblings;
mod tenants;
mod trailing;
mod waiting;
mod withheld;
mod writing;

use bench::Setup;
