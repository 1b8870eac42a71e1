//! A fault on purpose: with `PEREGRINE_TEST_FAULT=overlook_invalidations` in its environment, a build that is not optimised
//! takes nothing for invalidated. The checker of `peregrine verify freshness` must find that; a checker that cannot fail
//! shows nothing. An optimised build has no such switch.

/// Whether invalidations are overlooked.
#[cfg(debug_assertions)]
pub(crate) fn overlooks_invalidations() -> bool {
    static IS_ON: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *IS_ON
        .get_or_init(|| std::env::var_os("PEREGRINE_TEST_FAULT").is_some_and(|fault| fault == "overlook_invalidations"))
}

/// Whether invalidations are overlooked: never.
#[cfg(not(debug_assertions))]
pub(crate) const fn overlooks_invalidations() -> bool {
    false
}
