//! What the admin API asks of the keys of encryption.

use super::program::Program;
use peregrine_admin::Refusal;
use peregrine_admin::api::keys::{EraseRequest, Erased, KeysReport, RotateRequest};
use peregrine_cache::{Invalidation, Owner, PlaceFault, Rotated};

impl Program {
    pub(super) async fn list_keys(&self, cursor: &str) -> Result<KeysReport, Refusal> {
        let keys = self.engine.keys();
        let page = keys.page(cursor).await.map_err(unreachable)?;
        let ring = keys.ring();
        Ok(KeysReport {
            active: ring.as_ref().map(|ring| ring.active().to_owned()),
            master_keys: ring.iter().flat_map(|ring| ring.ids()).map(str::to_owned).collect(),
            place: keys.statistics().place,
            owners: page.owners,
            next: page.next,
        })
    }

    pub(super) async fn rotate(&self, request: &RotateRequest) -> Result<Rotated, Refusal> {
        let keys = self.engine.keys();
        if keys.ring().is_none() {
            let sentence =
                "There is no master key: make one with `peregrine keys generate` and put it into [encryption].";
            return Err(Refusal::conflict(sentence));
        }
        let rotated = keys.rotate(&request.cursor, request.renew).await.map_err(unreachable)?;
        let (owners, rewrapped, renewed) = (rotated.owners, rotated.rewrapped, rotated.renewed);
        tracing::info!(
            owners,
            rewrapped,
            renewed,
            unreadable = rotated.unreadable,
            "data keys rotated"
        );
        Ok(rotated)
    }

    pub(super) async fn erase(&self, request: EraseRequest) -> Result<Erased, Refusal> {
        let keys = self.engine.keys();
        let owner = Owner {
            namespace: request.namespace.as_deref().unwrap_or_default(),
            tenant: request.tenant.as_deref().unwrap_or_default(),
        };
        // The key first: what is stored from now on is sealed by another one.
        let erased = keys.erase(owner).await.map_err(unreachable)?;
        tracing::info!(owner = owner.name(), erased, "data keys erased");
        let invalidation = Invalidation {
            namespaces: request.namespace.into_iter().collect(),
            tenant: request.tenant,
            ..Invalidation::default()
        };
        Ok(Erased {
            erased,
            within_s: keys.refresh().as_secs(),
            receipt: self.engine.invalidate(&invalidation).await,
        })
    }
}

fn unreachable(fault: PlaceFault) -> Refusal {
    Refusal::failed(format!("{fault}."))
}
