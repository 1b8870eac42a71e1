//! Traffic Server with its cache in memory in front of one on disk, one event thread for each core.

use super::{Addresses, Setup};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

/// The user that it becomes when it is started by root, which it refuses to stay.
const NOBODY: u32 = 65534;

/// Without it nobody may ask.
const EVERYBODY: &str = "ip_allow:\n  - apply: in\n    ip_addrs: 127.0.0.0/8\n    action: allow\n    methods: ALL\n";

pub(super) fn configure(command: &mut Command, folder: &Path, at: Addresses, setup: &Setup<'_>) -> io::Result<()> {
    let part = |name: &str| folder.join(name);
    let root = format!(
        "prefix: /usr\nexec_prefix: /usr\nbindir: /usr/bin\nsbindir: /usr/sbin\nsysconfdir: {etc}\ndatadir: {cache}\n\
         includedir: /usr/include\nlibdir: /usr/lib/trafficserver\nlibexecdir: /usr/lib/trafficserver/modules\n\
         localstatedir: {folder}\nruntimedir: {run}\nlogdir: {log}\ncachedir: {cache}\n",
        etc = part("etc").display(),
        cache = part("cache").display(),
        run = part("run").display(),
        log = part("log").display(),
        folder = folder.display(),
    );
    for name in ["etc", "cache", "run", "log"] {
        fs::create_dir_all(part(name))?;
    }
    fs::write(part("runroot.yaml"), root)?;
    fs::write(part("etc/records.config"), records(at, setup))?;
    fs::write(part("etc/remap.config"), format!("map / http://{}/\n", setup.origin))?;
    fs::write(
        part("etc/storage.config"),
        format!("{} {}M\n", part("cache").display(), setup.memory_mib),
    )?;
    fs::write(part("etc/ip_allow.yaml"), EVERYBODY)?;
    if let Some(certificate) = setup.certificate {
        let line = format!(
            "dest_ip=* ssl_cert_name={} ssl_key_name={}\n",
            certificate.chain.display(),
            certificate.key.display()
        );
        fs::write(part("etc/ssl_multicert.config"), line)?;
    }
    if rustix::process::geteuid().is_root() {
        let mut owned = vec![folder.to_path_buf()];
        owned.extend(["etc", "cache", "run", "log"].map(part));
        if let Some(certificate) = setup.certificate {
            owned.extend([certificate.chain.clone(), certificate.key.clone()]);
        }
        for path in owned {
            chown(path, Some(NOBODY), Some(NOBODY))?;
        }
    }
    command.env("TS_RUNROOT", folder);
    Ok(())
}

fn records(at: Addresses, setup: &Setup<'_>) -> String {
    let secure = setup.certificate.map_or_else(String::new, |_| {
        format!(" {}:ip-in={}:ssl:proto=http2;http", at.secure.port(), at.secure.ip())
    });
    let ports = format!("{}:ip-in={}{secure}", at.plain.port(), at.plain.ip());
    let values = [
        ("http.server_ports", "STRING", ports),
        ("exec_thread.autoconfig", "INT", "0".to_owned()),
        ("exec_thread.limit", "INT", setup.cores.len().to_string()),
        ("accept_threads", "INT", "0".to_owned()),
        ("task_threads", "INT", "1".to_owned()),
        ("log.logging_enabled", "INT", "0".to_owned()),
        ("admin.user_id", "STRING", format!("#{NOBODY}")),
        ("net.connections_throttle", "INT", "200000".to_owned()),
        ("net.max_connections_in", "INT", "200000".to_owned()),
        ("http.keep_alive_no_activity_timeout_in", "INT", "3600".to_owned()),
        ("crash_log_helper", "STRING", "NULL".to_owned()),
        ("http.insert_request_via_str", "INT", "0".to_owned()),
        ("http.insert_response_via_str", "INT", "0".to_owned()),
        (
            "cache.ram_cache.size",
            "INT",
            (u64::from(setup.memory_mib) << 20).to_string(),
        ),
        ("url_remap.remap_required", "INT", "1".to_owned()),
    ];
    let mut text = String::new();
    for (name, kind, value) in values {
        let _ = writeln!(text, "CONFIG proxy.config.{name} {kind} {value}");
    }
    text
}
