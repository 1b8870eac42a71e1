//! Reading the configuration again while requests are served. What cannot hold as a whole changes nothing: the running
//! configuration stays, and the error says why. Requests under way finish by the old routes.

use super::program::{self, Program, Upstreams};
use crate::Failure;
use crate::config::{self, Environment, Loaded, Origin, Overrides, Resolved, Settings};
use peregrine_cache::Defined;
use peregrine_http::{RouteTable, Rules, Surroundings};
use peregrine_insight::model::ChangeKind;
use std::sync::Arc;

/// Where the configuration came from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file, or what stands for it.
    pub origin: Origin,
    /// What the command line sets over it.
    pub overrides: Overrides,
    /// The environment.
    pub environment: Environment,
}

/// What changed, and from when on it holds.
#[derive(Debug, Default)]
pub(super) struct Reloaded {
    /// Holds now.
    pub(super) applied: Vec<String>,
    /// Holds from the next start on, however long ago it was changed.
    pub(super) needs_restart: Vec<String>,
}

/// Why a reload was refused.
struct Refused {
    failure: Failure,
    /// Whether the configuration itself says nothing against it, so that it may hold when what is around it has changed: an
    /// address that is taken, files that do not fit each other yet.
    may_pass: bool,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            may_pass: true,
        }
    }
}

impl Refused {
    fn for_good(failure: impl Into<Failure>) -> Self {
        Self {
            failure: failure.into(),
            may_pass: false,
        }
    }
}

impl Program {
    /// Reads the configuration again and applies what a reload can.
    pub(super) fn reload_now(&self) -> Result<Reloaded, Failure> {
        self.notify.reloading();
        let reloaded = self.read_again();
        self.note_change(&reloaded);
        self.notify.ready();
        reloaded
    }

    /// Tries again what was refused for a reason that may be over, if anything was. The same reason is not told again.
    pub(super) fn reload_again(&self, cause: &str) {
        let Some(before) = self.refused.lock().clone() else {
            return;
        };
        let reloaded = self.read_again();
        if *self.refused.lock() != Some(before) {
            self.note_change(&reloaded);
            self.log_reload(cause, reloaded);
        }
    }

    fn read_again(&self) -> Result<Reloaded, Failure> {
        self.note_content();
        self.reload().map_err(|refused| {
            *self.refused.lock() = refused.may_pass.then(|| refused.failure.to_string());
            refused.failure
        })
    }

    /// Notes for whoever looks at what happened what came of a reload.
    fn note_change(&self, reloaded: &Result<Reloaded, Failure>) {
        let text = match reloaded {
            Ok(reloaded) if reloaded.applied.is_empty() => "reloaded: nothing changed".to_owned(),
            Ok(reloaded) => format!("reloaded: {}", reloaded.applied.join(", ")),
            Err(_) => "not reloaded: the running configuration stays".to_owned(),
        };
        self.watching.note(ChangeKind::Reload, text, None);
    }

    fn reload(&self) -> Result<Reloaded, Refused> {
        let Some(source) = &self.source else {
            return Err(Refused::for_good(Failure::Failed(
                "this Peregrine was started without a configuration that could be read again".to_owned(),
            )));
        };
        let mut current = self.loaded.lock();
        let new = config::load(&source.origin, &source.overrides, &source.environment).map_err(Refused::for_good)?;
        let reloaded = Reloaded::of(&self.begun, &current.resolved, &new.resolved);
        let settings = &new.settings;
        let ring = program::key_ring(settings)?;
        // With the routes of before, until there are new ones.
        let rules = program::rules(settings, self.plane.table()).map_err(Refused::for_good)?;
        let plan = self.listeners.plan(&settings.listeners, &new.resolved)?;
        let before = self.upstreams.load();
        let upstreams = program::upstreams(settings, Some(&before))?;
        let (defined, table) = self.define(&new, &current.settings, &upstreams)?;
        // From here on nothing can be refused, and what is let go now does not come back.
        self.engine.settle(&defined);
        if let Some(log) = &self.log {
            log.set_level(settings.log.level);
            *self.level.lock() = None;
        }
        self.listeners
            .carry_out(plan, |listener, spoken| self.listen(listener, spoken));
        let refresh = settings.encryption.key_refresh.get();
        self.engine.keys().configure(ring, refresh);
        self.engine.keys().trust_copies(settings.encryption.copy_max.get());
        self.server.trust(rules.trusted.clone());
        self.plane.reconfigure(Rules {
            table: Arc::new(table),
            ..rules
        });
        self.plane.tenant_metrics().keep(program::tenants_max(settings));
        program::take_over(&upstreams);
        self.upstreams.store(upstreams.into());
        self.watching.reconfigure(&new);
        *current = new;
        Ok(reloaded)
    }

    /// The routes of `new` to `upstreams`, with all that can still be refused. The engine has the strategies and namespaces of
    /// `new` then, because routes are resolved against them; should anything be refused, it has those of `before` again.
    fn define(&self, new: &Loaded, before: &Settings, upstreams: &Upstreams) -> Result<(Defined, RouteTable), Refused> {
        let settings = &new.settings;
        let defined = self
            .engine
            .define(settings.engine())
            .map_err(|error| Refused::for_good(Failure::Usage(error.to_string())))?;
        let table = self.plane.table();
        let surroundings = Surroundings {
            engine: &self.engine,
            upstreams,
            before: Some(&table),
        };
        let table = RouteTable::new(&settings.routes, surroundings)
            .map_err(|complaints| Refused::for_good(new.resolved.refuse(&complaints)));
        let opened = table.and_then(|table| {
            let opened = self.recorder.reconfigure(&settings.log);
            opened.map_err(|error| program::no_access_log(&settings.log, &error))?;
            Ok((defined, table))
        });
        opened.inspect_err(|_| {
            if let Err(error) = self.engine.define(before.engine()) {
                tracing::error!(%error, "the engine does not go back to the configuration that held before");
            }
        })
    }

    /// As [`Program::reload_now`], for `cause`: says what came of it in the logs.
    pub(super) fn reload_and_log(&self, cause: &str) {
        let reloaded = self.reload_now();
        self.log_reload(cause, reloaded);
    }

    fn log_reload(&self, cause: &str, reloaded: Result<Reloaded, Failure>) {
        self.note_reload(cause, &reloaded);
        match reloaded {
            Ok(reloaded) => {
                tracing::info!(applied = reloaded.applied.join(", "), "reloaded");
                if !reloaded.needs_restart.is_empty() {
                    tracing::warn!(
                        parameters = reloaded.needs_restart.join(", "),
                        "these changes hold from the next start on"
                    );
                }
            }
            Err(failure) => tracing::error!(reason = %failure, "not reloaded: the running configuration stays"),
        }
    }
}

impl Reloaded {
    /// What `new` changes in what was read `last`, and what a program that was started with `begun` takes over by a restart only.
    pub(super) fn of(begun: &Resolved, last: &Resolved, new: &Resolved) -> Self {
        let fields = |before: &Resolved, reload: bool| {
            let changes = before.changes(new).into_iter();
            let wanted = changes.filter(|change| change.reload == reload);
            wanted.map(|change| change.field).collect()
        };
        Self {
            applied: fields(last, true),
            needs_restart: fields(begun, false),
        }
    }
}
