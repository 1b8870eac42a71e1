//! Reading the configuration again while requests are served. What cannot hold as a whole changes nothing: the running
//! configuration stays, and the error says why. Requests under way finish by the old routes.

use super::program::{self, Program, Upstreams};
use crate::Failure;
use crate::config::{self, Change, Environment, Loaded, Origin, Overrides, Settings};
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
    pub(super) applied: Vec<String>,
    pub(super) needs_restart: Vec<String>,
}

impl Program {
    /// Reads the configuration again and applies what a reload can.
    pub(super) fn reload_now(&self) -> Result<Reloaded, Failure> {
        self.notify.reloading();
        self.note_content();
        let reloaded = self.reload();
        match &reloaded {
            Ok(reloaded) if reloaded.applied.is_empty() => {
                self.watching
                    .note(ChangeKind::Reload, "reloaded: nothing changed", None)
            }
            Ok(reloaded) => {
                let text = format!("reloaded: {}", reloaded.applied.join(", "));
                self.watching.note(ChangeKind::Reload, text, None);
            }
            Err(_) => self.watching.note(
                ChangeKind::Reload,
                "not reloaded: the running configuration stays",
                None,
            ),
        }
        self.notify.ready();
        reloaded
    }

    fn reload(&self) -> Result<Reloaded, Failure> {
        let Some(source) = &self.source else {
            return Err(Failure::Failed(
                "this Peregrine was started without a configuration that could be read again".to_owned(),
            ));
        };
        let mut current = self.loaded.lock();
        let new = config::load(&source.origin, &source.overrides, &source.environment)?;
        let changes = current.resolved.changes(&new.resolved);
        let settings = &new.settings;
        let ring = program::key_ring(settings)?;
        // With the routes of before, until there are new ones.
        let rules = program::rules(settings, self.plane.table())?;
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
        Ok(Reloaded::of(changes))
    }

    /// The routes of `new` to `upstreams`, with all that can still be refused. The engine has the strategies and namespaces of
    /// `new` then, because routes are resolved against them; should anything be refused, it has those of `before` again.
    fn define(&self, new: &Loaded, before: &Settings, upstreams: &Upstreams) -> Result<(Defined, RouteTable), Failure> {
        let settings = &new.settings;
        let defined = self
            .engine
            .define(settings.engine())
            .map_err(|error| Failure::Usage(error.to_string()))?;
        let table = self.plane.table();
        let surroundings = Surroundings {
            engine: &self.engine,
            upstreams,
            before: Some(&table),
        };
        let table = RouteTable::new(&settings.routes, surroundings)
            .map_err(|complaints| Failure::from(new.resolved.refuse(&complaints)));
        let opened = table.and_then(|table| {
            let opened = self.recorder.reconfigure(&settings.log);
            opened.map_err(|error| program::no_access_log(&settings.log, &error))?;
            Ok(table)
        });
        match opened {
            Ok(table) => Ok((defined, table)),
            Err(failure) => {
                if let Err(error) = self.engine.define(before.engine()) {
                    tracing::error!(%error, "the engine does not go back to the configuration that held before");
                }
                Err(failure)
            }
        }
    }

    /// As [`Program::reload_now`], for `cause`: says what came of it in the logs.
    pub(super) fn reload_and_log(&self, cause: &str) {
        let reloaded = self.reload_now();
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
    fn of(changes: Vec<Change>) -> Self {
        let (applied, needs_restart): (Vec<Change>, Vec<Change>) =
            changes.into_iter().partition(|change| change.reload);
        let fields = |changes: Vec<Change>| changes.into_iter().map(|change| change.field).collect();
        Self {
            applied: fields(applied),
            needs_restart: fields(needs_restart),
        }
    }
}
