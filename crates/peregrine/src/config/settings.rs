//! The typed settings that the program hands to the rooms.

use super::fault::Fault;
use super::node::{self, Fields, Node, Source, Value};
use super::parameters::{PARAMETERS, TABLE};
use peregrine_admin::{AdminConfig, is_token};
use peregrine_base::{ByteSize, Complaint, Kind, Parameter, Secret};
use peregrine_cache::{
    CacheConfig, EncryptionConfig, KeyRing, NamespaceConfig, StrategyConfig, TenantQuota, TenantQuotas, is_tenant_name,
};
use peregrine_http::config::{RouteConfig, TenantsConfig};
use peregrine_http::{RouteTable, TenantRules};
use peregrine_insight::InsightConfig;
use peregrine_insight::alerts::{AlertConfig, AlertsConfig, Known};
use peregrine_insight::notify::NotifyConfig;
use peregrine_insight::slo::SloConfig;
use peregrine_net::config::{ListenerConfig, ServerConfig, UpstreamConfig};
use peregrine_store::RedisConfig;
use peregrine_telemetry::LogConfig;
use peregrine_telemetry::otlp::OtlpConfig;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Everything that is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the program itself takes from `[server]`.
    pub server: ServerSettings,
    /// What listeners take from `[server]`.
    pub limits: ServerConfig,
    /// `[[listener]]`, at least one.
    pub listeners: Vec<ListenerConfig>,
    /// `[admin]`.
    pub admin: AdminConfig,
    /// `[[upstream]]`, in order.
    pub upstreams: Vec<UpstreamConfig>,
    /// `[[route]]`, in order.
    pub routes: Vec<RouteConfig>,
    /// `[strategy.NAME]`, `default` among them.
    pub strategies: BTreeMap<String, StrategyConfig>,
    /// `[namespace.NAME]`, `default` among them.
    pub namespaces: BTreeMap<String, NamespaceConfig>,
    /// `[cache]`.
    pub cache: CacheConfig,
    /// What `[tenants]` says of requests.
    pub tenants: TenantsConfig,
    /// What `[tenants]` says of what each may hold.
    pub quotas: TenantQuotas,
    /// `[tenant.NAME]`.
    pub tenant: BTreeMap<String, TenantSettings>,
    /// `[encryption]`.
    pub encryption: EncryptionConfig,
    /// `[redis]`.
    pub redis: RedisConfig,
    /// `[log]`.
    pub log: LogConfig,
    /// `[otlp]`.
    pub otlp: OtlpConfig,
    /// `[insight]`.
    pub insight: InsightConfig,
    /// `[alerts]`.
    pub alerts: AlertsConfig,
    /// `[[alert]]`, in order.
    pub alert: Vec<AlertConfig>,
    /// `[[slo]]`, in order.
    pub slo: Vec<SloConfig>,
    /// `[notify.NAME]`.
    pub notify: BTreeMap<String, NotifyConfig>,
}

impl Settings {
    /// What the engine takes.
    #[must_use]
    pub fn engine(&self) -> peregrine_cache::Settings {
        peregrine_cache::Settings {
            cache: self.cache.clone(),
            strategies: self.strategies.clone(),
            namespaces: self.namespaces.clone(),
            quotas: self.quotas,
            tenants: self
                .tenant
                .iter()
                .map(|(name, tenant)| (name.clone(), tenant.quota()))
                .collect(),
            redis: self.redis.is_on(),
        }
    }

    /// Tenants with the tokens of their own.
    #[must_use]
    pub fn tenant_tokens(&self) -> Vec<(String, Secret)> {
        let tokens = self.tenant.iter();
        tokens
            .filter_map(|(name, tenant)| Some((name.clone(), tenant.admin_token.clone()?)))
            .collect()
    }

    /// What alerts, objectives and silences may name.
    #[must_use]
    pub fn known_names(&self) -> Known {
        let slos = peregrine_insight::slo::objectives(&self.slo);
        Known {
            routes: RouteTable::names(&self.routes).into_iter().collect(),
            upstreams: self.upstreams.iter().map(|upstream| upstream.name.clone()).collect(),
            slos: slos.into_iter().map(|slo| slo.name).collect(),
        }
    }

    /// What it amounts to, in a few words.
    #[must_use]
    pub fn summary(&self) -> String {
        let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let addresses: Vec<&str> = self
            .listeners
            .iter()
            .map(|listener| listener.address.as_str())
            .collect();
        format!(
            "{}, {}, listening on {}, {} of memory{}",
            counted(self.routes.len(), "route"),
            counted(self.upstreams.len(), "upstream"),
            addresses.join(" and "),
            self.cache.memory,
            if self.redis.is_on() { ", shared over Redis" } else { "" },
        )
    }
}

/// What the program itself takes from `[server]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// The directory for what outlives a restart.
    pub state_dir: PathBuf,
    /// How many threads serve requests; 0 means one per core.
    pub workers: usize,
    /// Whether a change of the configuration file is applied by itself.
    pub watch_config: bool,
}

/// `[tenant.NAME]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantSettings {
    /// The most bytes in memory.
    pub memory_max: Option<ByteSize>,
    /// The most entries in memory.
    pub entries_max: Option<u64>,
    /// The most bytes in Redis, written by this node.
    pub redis_max: Option<ByteSize>,
    /// The most values in Redis, written by this node.
    pub redis_entries_max: Option<u64>,
    /// What lets it call the admin API about itself.
    pub admin_token: Option<Secret>,
}

impl TenantSettings {
    fn quota(&self) -> TenantQuota {
        TenantQuota {
            memory_max: self.memory_max,
            entries_max: self.entries_max,
            redis_max: self.redis_max,
            redis_entries_max: self.redis_entries_max,
        }
    }

    /// Rules that no row of the table says.
    fn check(&self) -> Result<(), Vec<Complaint>> {
        if self.admin_token.as_ref().is_none_or(|token| is_token(token.expose())) {
            return Ok(());
        }
        let problem = "is no usable token: it must be 16 to 512 visible ASCII characters without blanks";
        let help = "make one with `openssl rand -hex 32`";
        Err(vec![Complaint::new("admin_token", problem, help)])
    }
}

/// Turns the checked tree into types and lets each room check its rules between fields.
///
/// # Errors
/// With every fault that only the rooms know, such as an address that cannot be one.
pub(super) fn typed(root: &Node) -> Result<Settings, Vec<Fault>> {
    let mut reader = Reader {
        root,
        faults: Vec::new(),
    };
    let settings = reader.settings();
    match settings {
        Some(settings) if reader.faults.is_empty() => Ok(settings),
        _ => Err(reader.faults),
    }
}

struct Reader<'a> {
    root: &'a Node,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    /// Every section, so that the faults of all of them are found; then the rules within and between them.
    fn settings(&mut self) -> Option<Settings> {
        let server = self.part("server", PARAMETERS);
        let limits = self.part("server", peregrine_net::PARAMETERS);
        let (listeners, upstreams, routes) = (self.array("listener"), self.array("upstream"), self.array("route"));
        let (strategies, namespaces) = (self.named("strategy"), self.named("namespace"));
        let (admin, cache, log) = (self.one("admin"), self.one("cache"), self.one("log"));
        let (encryption, otlp) = (self.one("encryption"), self.one("otlp"));
        let tenants = self.part("tenants", peregrine_http::TENANT_PARAMETERS);
        let quotas = self.part("tenants", peregrine_cache::TENANT_PARAMETERS);
        let tenant = self.named("tenant");
        let redis = self.one("redis");
        let insight = self.one("insight");
        let (alerts, alert, slo, notify) = (
            self.one("alerts"),
            self.array("alert"),
            self.array("slo"),
            self.named("notify"),
        );
        let settings = Settings {
            server: server?,
            limits: limits?,
            listeners,
            admin: admin?,
            upstreams,
            routes,
            strategies,
            namespaces,
            cache: cache?,
            encryption: encryption?,
            tenants: tenants?,
            quotas: quotas?,
            tenant,
            redis: redis?,
            log: log?,
            otlp: otlp?,
            insight: insight?,
            alerts: alerts?,
            alert,
            slo,
            notify,
        };
        if self.faults.is_empty() {
            self.check(&settings);
        }
        Some(settings)
    }

    fn check(&mut self, settings: &Settings) {
        self.complain("server", settings.limits.check());
        for (index, listener) in settings.listeners.iter().enumerate() {
            self.complain(&node::element("listener", index), listener.check());
        }
        for (index, upstream) in settings.upstreams.iter().enumerate() {
            self.complain(&node::element("upstream", index), upstream.check());
        }
        self.complain("redis", settings.redis.check());
        self.complain("otlp", crate::serve::check_otlp(&settings.otlp));
        self.complain("insight", settings.insight.check());
        self.complain("", settings.engine().check());
        self.check_encryption(settings);
        self.complain("tenants", TenantRules::new(&settings.tenants).map(drop));
        self.check_tenants(settings);
        self.check_circles(settings);
        self.check_watching(settings);
        let needed = [
            ("listener", settings.listeners.is_empty(), "nobody could ask"),
            ("upstream", settings.upstreams.is_empty(), "nobody could answer"),
            (
                "route",
                settings.routes.is_empty(),
                "every request would be answered with 404",
            ),
        ];
        for (array, is_empty, why) in needed {
            if is_empty {
                let fault = Fault::new(&Source::Default, array, format!("there is none: {why}"));
                self.faults.push(fault.help(format!("add a [[{array}]]")));
            }
        }
    }

    /// What is to be encrypted needs a master key, and each of those must be one.
    fn check_encryption(&mut self, settings: &Settings) {
        self.complain("", KeyRing::open(&settings.encryption).map(drop));
        if settings.encryption.is_on() {
            return;
        }
        let encrypted = settings.strategies.iter().filter(|(_, strategy)| strategy.encryption);
        let keyless = encrypted.map(|(name, _)| {
            Complaint::new(
                format!("strategy.{name}.encryption"),
                "is on, but there is no master key",
                "make one with `peregrine keys generate` and put it into [encryption] or PEREGRINE_ENCRYPTION_KEY",
            )
        });
        self.complain("", Err(keyless.collect()));
    }

    fn check_tenants(&mut self, settings: &Settings) {
        for (name, tenant) in &settings.tenant {
            let path = node::field("tenant", name);
            if !is_tenant_name(name) {
                let help = "a name has at most 64 letters, digits, `-`, `_` and `.`, and begins with a letter or digit";
                self.faults
                    .push(fault(self.root, &path, "is no tenant's name").help(help));
            }
            self.complain(&path, tenant.check());
        }
        let tokens = settings.tenant_tokens();
        let twice = tokens.iter().enumerate().filter_map(|(index, (name, token))| {
            let other = tokens
                .iter()
                .take(index)
                .find(|(_, other)| other.expose() == token.expose())?;
            let problem = format!("is that of `{}` too", other.0);
            Some(Complaint::new(
                format!("tenant.{name}.admin_token"),
                problem,
                "give each tenant a token of its own",
            ))
        });
        self.complain("", Err(twice.collect()));
    }

    /// Alerts, objectives and who is told of them.
    fn check_watching(&mut self, settings: &Settings) {
        let receivers: Vec<&str> = settings.notify.keys().map(String::as_str).collect();
        let known = settings.known_names();
        for (name, receiver) in &settings.notify {
            self.complain(&node::field("notify", name), receiver.check());
        }
        for (index, alert) in settings.alert.iter().enumerate() {
            self.complain(&node::element("alert", index), alert.check(&receivers, &known));
        }
        for (index, slo) in settings.slo.iter().enumerate() {
            self.complain(&node::element("slo", index), slo.check(&receivers, &known));
        }
        self.complain(
            "",
            peregrine_insight::limits(&settings.alert, &settings.slo, &settings.notify),
        );
    }

    /// An upstream that is this Peregrine itself would be asked by its own requests until they give up.
    fn check_circles(&mut self, settings: &Settings) {
        let own: Vec<SocketAddr> = settings
            .listeners
            .iter()
            .filter_map(ListenerConfig::socket_address)
            .collect();
        for (index, upstream) in settings.upstreams.iter().enumerate() {
            for target in upstream
                .targets
                .iter()
                .map(|target| &target.url)
                .filter(|target| own.iter().any(|own| leads_to(target, *own)))
            {
                let field = node::field(&node::element("upstream", index), "targets");
                let problem = format!("`{target}` is where Peregrine itself listens");
                self.faults
                    .push(fault(self.root, &field, &problem).help("name the origin, or listen on another port"));
            }
        }
    }

    /// Every element of the array of tables `name`.
    fn array<T: DeserializeOwned>(&mut self, name: &str) -> Vec<T> {
        let elements = self.root.get(name).map_or(&[] as &[Node], Node::elements);
        elements
            .iter()
            .enumerate()
            .filter_map(|(index, node)| self.read(node, &node::element(name, index)))
            .collect()
    }

    /// Every table under `name` by its name.
    fn named<T: DeserializeOwned>(&mut self, name: &str) -> BTreeMap<String, T> {
        let fields = self.root.get(name).and_then(Node::fields).into_iter().flatten();
        fields
            .filter_map(|(key, node)| Some((key.clone(), self.read(node, &node::field(name, key))?)))
            .collect()
    }

    /// The value at `path` as a `T`.
    fn one<T: DeserializeOwned>(&mut self, path: &str) -> Option<T> {
        self.read(self.root.at(path)?, path)
    }

    /// Those fields of the table at `path` that `rows` own, as a `T`: several rooms share `[server]`.
    fn part<T: DeserializeOwned>(&mut self, path: &str, rows: &[Parameter]) -> Option<T> {
        let node = self.root.at(path)?;
        let owned = |name: &str| {
            rows.iter()
                .filter_map(|row| row.name.strip_prefix(path)?.strip_prefix('.'))
                .any(|rest| rest.split('.').next() == Some(name))
        };
        let fields: Fields = node
            .fields()?
            .iter()
            .filter(|(name, _)| owned(name))
            .map(|(name, node)| (name.clone(), node.clone()))
            .collect();
        self.read(
            &Node {
                value: Value::Table(fields),
                ..node.clone()
            },
            path,
        )
    }

    fn read<T: DeserializeOwned>(&mut self, node: &Node, path: &str) -> Option<T> {
        serde_path_to_error::deserialize(serde_json::Value::from(node))
            .map_err(|error| {
                let inside = error.path().to_string();
                let field = if inside == "." {
                    path.to_owned()
                } else {
                    node::field(path, &inside)
                };
                self.faults.push(fault(self.root, &field, &error.inner().to_string()));
            })
            .ok()
    }

    /// Notes what a room complains about in the value at `path`.
    fn complain(&mut self, path: &str, checked: Result<(), Vec<Complaint>>) {
        for found in checked.err().unwrap_or_default() {
            self.faults
                .push(complaint(self.root, &node::field(path, &found.field), &found));
        }
    }
}

/// Whether a target's URL leads to the listener at `own`.
fn leads_to(target: &str, own: SocketAddr) -> bool {
    let Some(uri) = target.parse::<http::Uri>().ok() else {
        return false;
    };
    let port = uri
        .port_u16()
        .unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let address = if host == "localhost" {
        Some(Ipv4Addr::LOCALHOST.into())
    } else {
        host.parse::<IpAddr>().ok()
    };
    let same = |address: IpAddr| address == own.ip() || (own.ip().is_unspecified() && address.is_loopback());
    port != 0 && port == own.port() && address.is_some_and(same)
}

/// The fault behind a complaint about `field` of `root`.
pub(super) fn complaint(root: &Node, field: &str, complaint: &Complaint) -> Fault {
    fault(root, field, &complaint.problem).help(&complaint.help)
}

fn fault(root: &Node, field: &str, problem: &str) -> Fault {
    let node = root.nearest(field);
    // The name of a field is the better mark when its value is a whole table; the file as a whole has neither.
    let source = if matches!(node.value, Value::Table(_)) {
        &node.name
    } else {
        &node.source
    };
    let source = if *source == Source::File(0..0) {
        &Source::Default
    } else {
        source
    };
    let mut fault = Fault::new(source, field, problem);
    let is_secret = |row: &Parameter| row.kind == Kind::Secret && stands_at(row.name, field);
    // The line would show it.
    fault.quote = !TABLE.iter().copied().flatten().any(is_secret);
    fault
}

/// Whether `field` is one of those that the row `name` describes.
fn stands_at(name: &str, field: &str) -> bool {
    match name.split_once(".*.") {
        None => name == field,
        // Names may contain dots, written in quotes.
        Some((before, after)) => field.starts_with(&format!("{before}.")) && field.ends_with(&format!(".{after}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_row_whatever_it_is_named() {
        for (row, field, is_of_it) in [
            ("encryption.keys", "encryption.keys", true),
            ("tenant.*.admin_token", "tenant.acme.admin_token", true),
            ("tenant.*.admin_token", "tenant.\"a.b\".admin_token", true),
            ("tenant.*.admin_token", "tenant.acme.memory_max", false),
            ("tenant.*.admin_token", "strategy.acme.admin_token", false),
        ] {
            assert_eq!(stands_at(row, field), is_of_it, "{row} {field}");
        }
    }

    #[test]
    fn a_target_that_is_the_listener_is_found() {
        for (target, own, leads) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", true),
            ("http://localhost:8080", "127.0.0.1:8080", true),
            ("http://127.0.0.1:8080", "0.0.0.0:8080", true),
            ("http://[::1]:8080", "[::1]:8080", true),
            ("http://127.0.0.1", "0.0.0.0:80", true),
            ("http://127.0.0.1:3000", "127.0.0.1:8080", false),
            ("http://10.0.0.7:8080", "127.0.0.1:8080", false),
            ("http://127.0.0.1:0", "127.0.0.1:0", false),
            ("not a url", "127.0.0.1:8080", false),
        ] {
            assert_eq!(leads_to(target, own.parse().unwrap()), leads, "{target} {own}");
        }
    }
}
