//! From a request to invalidate to the targets in the ledger, and to the entries that they reach.

use crate::backplane::{Told, wire};
use crate::engine::{Engine, Mirror, MirrorId};
use crate::entry::{Entry, Kind};
use crate::invalidation::{Invalidation, Layer, Matched, Receipt};
use crate::key::{Key, Subject, is_tenant_name, tenant_of};
use crate::ledger::{Scope, Standing, Target, key_target, path_target, resource_target, tag_target};
use crate::memory::MemoryTier;
use crate::namespace::Namespace;
use crate::outcome::Eviction;
use crate::pattern::Glob;
use crate::promise::promise;
use crate::sync::Ordering;
use crate::turnover::{RouteId, Touched};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// A request with more targets than this in a namespace means the namespace.
const TARGETS_MAX: usize = 10_000;
/// And when it comes to more than this over all of them: less than half of what the ledger remembers, or it would have to forget
/// what is told here.
const TARGETS_IN_ALL_MAX: usize = 40_000;
/// Where a namespace remembers more patterns than this, one of a tenant means the tenant: a quarter of what there is room for.
const TENANT_GLOBS_MAX: u64 = crate::ledger::GLOBS_MAX as u64 / 4;
/// What a tenant's name and the marks around it add to a pattern on its way.
const TENANT_GLOB_MARGIN: usize = 66;
/// How long entries are counted for a receipt.
const COUNTING_MAX: Duration = Duration::from_millis(200);
/// After how many entries the counting looks at the clock.
const COUNTING_STRIDE: u64 = 1024;

/// What a request reaches.
pub(crate) struct Reach {
    all: bool,
    /// The namespaces in which it looks.
    namespaces: Vec<Arc<Namespace>>,
    /// The namespaces that it means as a whole.
    wholes: Vec<Arc<Namespace>>,
    hashes: HashSet<u64>,
    /// The hashes as other nodes are told of them.
    hashed: Vec<(Arc<Namespace>, wire::Target)>,
    globs: Vec<(Arc<Namespace>, Glob)>,
    /// Whose entries it is limited to.
    tenant: Option<String>,
    /// Whether it means all of these.
    whole_tenant: bool,
}

impl Engine {
    /// Invalidates what `request` names. When this returns, a request that arrives at this node later gets no value whose
    /// load began before (promise P1). The receipt counts what was reached, as far as that can be counted in 200 ms.
    pub async fn invalidate(self: &Arc<Self>, request: &Invalidation) -> Receipt {
        let started = self.parts.clock.now();
        let reach = self.reach_of(request);
        let mut telling = None;
        if !request.dry_run {
            // Told first: from then on nothing that lies in Redis is taken for good, and what was taken before is reached.
            telling = self.tell_nodes(request);
            self.raise(&reach, request.soft);
            self.tell_mirrors(request, None);
        }
        let since = || self.parts.clock.now().since(started);
        let raised = since();
        let counting = async {
            let (memory, touched) = self.counted(reach, request).await;
            (memory, touched, since())
        };
        let telling = async {
            match telling {
                Some(telling) => (telling.await, since()),
                None => (Told::default(), raised),
            }
        };
        // Side by side: that entries are still being counted says nothing about where the invalidation holds.
        let ((memory, touched, took), (told, held_after)) = tokio::join!(counting, telling);
        let layer = Layer {
            layer: "memory",
            confirmed: 1,
            of: 1,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            nodes: Vec::new(),
        };
        let memory_layer = (!request.dry_run).then_some(layer);
        let receipt = Receipt {
            id: self.receipt_id(),
            matched: Matched { memory, redis: None },
            layers: memory_layer.into_iter().chain(told.layers).collect(),
            journaled: told.journaled,
        };
        if let Some(touched) = touched
            && receipt.is_confirmed()
            && !receipt.journaled
        {
            self.invalidations.took(held_after);
            touched.took(held_after, &self.directory);
        }
        receipt
    }

    /// Counts what `reach` reaches, which is what `request` means, on a thread where that may take a while. Whose it was is
    /// counted there as well, and given back if it is an invalidation of something.
    async fn counted(self: &Arc<Self>, reach: Reach, request: &Invalidation) -> (Option<u64>, Option<Touched>) {
        let is_one = !request.dry_run && !reach.is_empty();
        let remove = is_one && !request.soft;
        let (engine, (giver, counted)) = (Arc::clone(self), promise());
        self.parts.runtime.spawn_blocking(Box::new(move || {
            let (memory, mut touched) = engine.count(&reach, remove);
            if is_one {
                touched.add_tenant(reach.tenant.as_deref().unwrap_or_default(), &engine.directory);
                touched.count(&engine.directory);
            }
            giver.give((memory, is_one.then_some(touched)));
        }));
        counted.await.unwrap_or_default()
    }

    /// As [`Engine::invalidate`], without counting and so without waiting: for whoever must not be slow, such as a write on
    /// its way. Promise P1 holds when this returns; the sweeper frees what is gone.
    pub fn invalidate_uncounted(&self, request: &Invalidation) {
        if !request.dry_run {
            // Whoever tells the others goes on by itself.
            drop(self.tell_nodes(request));
        }
        self.invalidate_as_told(request, None);
    }

    /// As [`Engine::invalidate_uncounted`] for a write that changes what `route` reads: counted for that route, the namespaces
    /// and the tenant of `request`, whether or not anything was there.
    pub fn invalidate_written(&self, request: &Invalidation, route: RouteId) {
        if request.dry_run {
            return;
        }
        let started = self.parts.clock.now();
        let is_told = self.tell_nodes(request).is_some();
        let reach = self.reach_of(request);
        self.raise(&reach, request.soft);
        self.tell_mirrors(request, None);
        if reach.is_empty() {
            return;
        }
        let namespaces = reach.namespaces.iter().map(|namespace| namespace.id());
        let touched = Touched::of_write(namespaces, route, reach.tenant.as_deref(), &self.directory);
        touched.count(&self.directory);
        if !is_told {
            // It holds in all there is. Elsewhere nobody waits to see when it does.
            let lag = self.parts.clock.now().since(started);
            self.invalidations.took(lag);
            touched.took(lag, &self.directory);
        }
    }

    /// As [`Engine::invalidate_uncounted`] for what a [`Mirror`] of another engine heard: other nodes are not told again. The
    /// mirrors here are, except the one that leads to where it came from (`by`).
    pub fn invalidate_as_told(&self, request: &Invalidation, by: Option<MirrorId>) {
        if !request.dry_run {
            self.raise(&self.reach_of(request), request.soft);
            self.tell_mirrors(request, by);
        }
    }

    /// How many invalidations were asked of this node and reached something that is configured.
    #[must_use]
    pub fn invalidations(&self) -> u64 {
        self.invalidations.value()
    }

    /// From now on `mirror` hears of every invalidation, also of values that are set and deleted by name.
    pub fn mirror_invalidations(&self, mirror: Mirror) -> MirrorId {
        self.mirrors.write().add(mirror)
    }

    /// The mirror hears of nothing any more; the others do.
    pub fn end_mirror(&self, id: MirrorId) {
        self.mirrors.write().remove(id);
    }

    /// Tells the mirrors, as far as there are any, except `by`. To be called when `request` holds here: one that is added
    /// between the two needs not hear of what it finds done already.
    pub(crate) fn tell_mirrors(&self, request: &Invalidation, by: Option<MirrorId>) {
        let mirrors = {
            let mirrors = self.mirrors.read();
            if mirrors.is_empty() {
                return;
            }
            mirrors.others(by)
        };
        let request = request.within_scope();
        mirrors.iter().for_each(|mirror| mirror(&request));
    }

    /// Tells the mirrors that what lay under `key` was written over or taken out.
    pub(crate) fn tell_mirrors_of_key(&self, key: &Key) {
        if !self.mirrors.read().is_empty() {
            let of_key = Invalidation {
                keys: vec![key.text().to_owned()],
                namespaces: vec![key.namespace().name().to_owned()],
                ..Invalidation::default()
            };
            self.tell_mirrors(&of_key, None);
        }
    }

    fn receipt_id(&self) -> String {
        let number = self.receipts.fetch_add(1, Ordering::Relaxed);
        format!("{:08x}-{number}", self.seed >> 32)
    }

    fn raise(&self, reach: &Reach, soft: bool) {
        if reach.is_empty() {
            return;
        }
        self.invalidations.count();
        let mut targets: Vec<Target> = reach.hashes.iter().map(|hash| Target::Hash(*hash)).collect();
        if reach.all {
            targets.push(Target::All);
        }
        let wholes: Vec<&Scope> = reach.wholes.iter().map(|namespace| namespace.scope()).collect();
        let globs: Vec<(&Scope, Glob)> = reach
            .globs
            .iter()
            .map(|(namespace, glob)| (namespace.scope(), glob.clone()))
            .collect();
        self.ledger.raise(soft, &targets, &wholes, &globs);
    }

    pub(crate) fn reach_of(&self, request: &Invalidation) -> Reach {
        let within = |names: &Vec<String>, namespace: &Namespace| names.iter().any(|name| name == namespace.name());
        let named =
            |namespace: &Arc<Namespace>| request.namespaces.is_empty() || within(&request.namespaces, namespace);
        let allowed = |namespace: &Arc<Namespace>| request.scope.as_ref().is_none_or(|scope| within(scope, namespace));
        let namespaces: Vec<_> = self.registered().into_iter().filter(named).filter(allowed).collect();
        let everywhere = request.scope.is_none() && request.namespaces.is_empty() && request.tenant.is_none();
        let mut reach = Reach {
            all: request.all && everywhere,
            namespaces,
            wholes: Vec::new(),
            hashes: HashSet::new(),
            hashed: Vec::new(),
            globs: Vec::new(),
            tenant: request.tenant.clone(),
            whole_tenant: false,
        };
        if request.tenant.as_deref().is_some_and(|tenant| !is_tenant_name(tenant)) {
            // Nobody has such a name.
            reach.namespaces.clear();
        }
        let targets = request.tags.len() + request.keys.len();
        let patterns = request.prefixes.len() + request.patterns.len();
        let only_namespaces = targets + patterns == 0 && !(request.namespaces.is_empty() && request.tenant.is_none());
        let too_many = targets > TARGETS_MAX
            || targets.saturating_mul(reach.namespaces.len()) > TARGETS_IN_ALL_MAX
            || patterns > crate::ledger::GLOBS_MAX;
        if request.all || only_namespaces || too_many {
            if request.tenant.is_some() {
                reach.add_whole_tenant();
            } else if !reach.all {
                reach.wholes.clone_from(&reach.namespaces);
            }
        } else if let Some(tenant) = &request.tenant {
            reach.add_targets_of(tenant, request);
        } else {
            reach.add_targets(request);
        }
        reach
    }

    /// Counts what `reach` reaches and takes it out of memory if `remove`; no number when that takes too long. And whose it was,
    /// as far as it was counted.
    fn count(&self, reach: &Reach, remove: bool) -> (Option<u64>, Touched) {
        let mut touched = Touched::default();
        if reach.is_empty() {
            return (Some(0), touched);
        }
        let (started, mut seen, mut matched, mut in_time) = (self.parts.clock.now(), 0u64, 0u64, true);
        let mut tiers: Vec<&Arc<dyn MemoryTier>> = Vec::new();
        for namespace in &reach.namespaces {
            if !tiers.iter().any(|tier| Arc::ptr_eq(tier, namespace.tier())) {
                tiers.push(namespace.tier());
            }
        }
        for tier in tiers {
            tier.iterate(&mut |hash, entry| {
                seen += 1;
                if seen.is_multiple_of(COUNTING_STRIDE) {
                    in_time = self.parts.clock.now().since(started) < COUNTING_MAX;
                }
                if let Some(namespace) = reach.namespace_of(entry)
                    && self.is_there(entry, namespace, remove)
                    && reach.matches(entry, namespace)
                {
                    if matches!(entry.kind(), Kind::Value | Kind::Part) {
                        matched += 1;
                        touched.add(entry, &self.directory);
                    }
                    if remove && entry.kind() != Kind::Selector {
                        tier.remove(hash, entry, Some(Eviction::Invalidated));
                    }
                }
                in_time
            });
        }
        (in_time.then_some(matched), touched)
    }

    /// Whether `entry` is still of use to anybody. What this very invalidation has reached counts as being there.
    fn is_there(&self, entry: &Entry, namespace: &Namespace, raised: bool) -> bool {
        self.parts.clock.now() < entry.useless_from() && (raised || self.standing(entry, namespace) != Standing::Gone)
    }
}

impl Reach {
    /// The same as other nodes are told of it: each target with its namespace; nothing: of all of them.
    pub(crate) fn targets(&self) -> Vec<(Option<&Namespace>, wire::Target)> {
        let mut targets = Vec::new();
        if self.all {
            targets.push((None, wire::Target::All));
        }
        let whole = |namespace: &Namespace| wire::Target::Namespace(namespace.wire_id());
        targets.extend(
            self.wholes
                .iter()
                .map(|namespace| (Some(&**namespace), whole(namespace))),
        );
        targets.extend(
            self.hashed
                .iter()
                .map(|(namespace, target)| (Some(&**namespace), target.clone())),
        );
        let glob = |(namespace, glob): &'_ (Arc<Namespace>, Glob)| wire::Target::of_glob(namespace.wire_id(), glob);
        targets.extend(self.globs.iter().map(|one| (Some(&*one.0), glob(one))));
        targets
    }

    fn is_empty(&self) -> bool {
        !self.all && self.wholes.is_empty() && self.hashes.is_empty() && self.globs.is_empty()
    }

    fn add_targets(&mut self, request: &Invalidation) {
        for namespace in &self.namespaces {
            let seed = namespace.target_seed();
            let hashed = &mut self.hashed;
            let mut add = |target| hashed.push((Arc::clone(namespace), target));
            for tag in &request.tags {
                add(wire::Target::Tag(wire::tag_hash(seed, tag)));
            }
            for key in &request.keys {
                add(wire::Target::Resource(wire::resource_hash(seed, key)));
                if key.starts_with('/') {
                    add(wire::Target::Path(wire::path_hash(seed, key)));
                }
                if is_key_of(namespace, key) {
                    add(wire::Target::Key(wire::key_hash(seed, key)));
                }
            }
            self.globs
                .extend(globs(request).map(|glob| (Arc::clone(namespace), glob)));
        }
        self.hash_all();
    }

    /// All that the tenant has in the namespaces.
    fn add_whole_tenant(&mut self) {
        let tenant = self.tenant.as_deref().unwrap_or_default();
        let whole = |namespace: &Arc<Namespace>| {
            let seed = wire::tenant_seed(namespace.target_seed(), tenant);
            (Arc::clone(namespace), wire::Target::Tag(wire::tenant_hash(seed)))
        };
        self.hashed = self.namespaces.iter().map(whole).collect();
        self.globs.clear();
        self.whole_tenant = true;
        self.hash_all();
    }

    /// As [`Reach::add_targets`] for what belongs to `tenant`. Everything but whole keys travels as a tag: its hash is the
    /// tenant's own.
    fn add_targets_of(&mut self, tenant: &str, request: &Invalidation) {
        // Room for patterns is the namespace's. What does not fit it would reach other tenants.
        let crowded = |namespace: &Arc<Namespace>| namespace.scope().globs() > TENANT_GLOBS_MAX;
        let too_long = |glob: Glob| glob.to_string().len() * 2 + 2 * TENANT_GLOB_MARGIN > wire::GLOB_BYTES_MAX;
        if globs(request).next().is_some() && (self.namespaces.iter().any(crowded) || globs(request).any(too_long)) {
            return self.add_whole_tenant();
        }
        for namespace in &self.namespaces {
            let whole_seed = namespace.target_seed();
            let seed = wire::tenant_seed(whole_seed, tenant);
            let hashed = &mut self.hashed;
            let mut add = |target| hashed.push((Arc::clone(namespace), target));
            for tag in &request.tags {
                add(wire::Target::Tag(wire::tag_hash(seed, tag)));
            }
            for key in &request.keys {
                add(wire::Target::Tag(wire::resource_hash(seed, key)));
                if key.starts_with('/') {
                    add(wire::Target::Tag(wire::path_hash(seed, key)));
                }
                if is_key_of(namespace, key) && tenant_of(key) == tenant {
                    add(wire::Target::Key(wire::key_hash(whole_seed, key)));
                }
            }
            self.globs
                .extend(globs(request).map(|glob| (Arc::clone(namespace), glob.of_tenant(tenant))));
        }
        self.hash_all();
    }

    fn hash_all(&mut self) {
        let hashes = self.hashed.iter().filter_map(|(_, target)| target.hash());
        self.hashes = hashes.map(wire::low_half).collect();
    }

    fn namespace_of(&self, entry: &Entry) -> Option<&Arc<Namespace>> {
        self.namespaces
            .iter()
            .find(|namespace| namespace.id() == entry.namespace())
    }

    fn matches(&self, entry: &Entry, namespace: &Arc<Namespace>) -> bool {
        let seed = namespace.target_seed();
        let whole = || self.wholes.iter().any(|whole| Arc::ptr_eq(whole, namespace));
        if self.all || whole() {
            return true;
        }
        let subject = Subject::of(entry.key());
        if self.tenant.as_deref().is_some_and(|tenant| tenant != subject.tenant) {
            return false;
        }
        if self.whole_tenant {
            return true;
        }
        let whole_seed = seed;
        let seed = match &self.tenant {
            Some(tenant) => wire::tenant_seed(seed, tenant),
            None => seed,
        };
        self.hashes.contains(&key_target(whole_seed, entry.key()))
            || self.hashes.contains(&resource_target(seed, &subject.resource))
            || subject
                .path
                .is_some_and(|path| self.hashes.contains(&path_target(seed, path)))
            || entry.tags().any(|tag| self.hashes.contains(&tag_target(seed, tag)))
            || self
                .globs
                .iter()
                .any(|(of, glob)| Arc::ptr_eq(of, namespace) && glob.matches_subject(&subject))
    }
}

/// The prefixes and patterns of a request.
fn globs(request: &Invalidation) -> impl Iterator<Item = Glob> {
    let prefixes = request.prefixes.iter().map(|text| Glob::prefix(text));
    prefixes.chain(request.patterns.iter().map(|text| Glob::new(text)))
}

/// Whether `key` is the text of a whole key in `namespace`.
fn is_key_of(namespace: &Namespace, key: &str) -> bool {
    let rest = key.strip_prefix(namespace.escaped());
    rest.is_some_and(|rest| rest.starts_with('|'))
}
