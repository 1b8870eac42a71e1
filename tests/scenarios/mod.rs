//! The scenarios, from simple to hard.

mod s20_clients;

mod s01_passing_on;
mod s02_caching;
mod s03_coalescing;
mod s04_staleness;
mod s05_invalidation;
mod s06_bad_clients;
mod s06_bad_origins;
mod s07_life;
mod s07_reload;
mod s08_upstreams;
mod s09_routes;
mod s10_admin;
mod s10_commands;
mod s11_demo;
mod s12_snapshot;
mod s13_encoding;
mod s13_handover;
mod s13_handover_http2;
mod s14_watching;
mod s15_edge;
mod s15_passing_through;
mod s16_policy;
mod s16_ranges;
mod s17_stored_forms;
mod s18_words_of_the_origin;
mod s30_backplane;
mod s31_freshness;
mod s32_deployment;
mod s33_faults;
mod s34_plaintext;
mod s36_redis_tier;
mod s37_lost_records;
mod s38_shared_snapshot;
