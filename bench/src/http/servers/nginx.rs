//! nginx with its cache on disk, of which the system keeps the files in memory: it has no other. Open files are remembered.

use super::{Addresses, Setup};
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

pub(super) fn configure(command: &mut Command, folder: &Path, at: Addresses, setup: &Setup<'_>) -> io::Result<()> {
    // As root it would give its workers to a user that may not enter the folder.
    let user = if rustix::process::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    let secure = setup.certificate.map_or_else(String::new, |certificate| {
        format!(
            "listen {} ssl http2 backlog=1024; ssl_certificate {}; ssl_certificate_key {}; ssl_session_cache shared:s:1m; \
             http2_max_requests 1000000000;",
            at.secure,
            certificate.chain.display(),
            certificate.key.display()
        )
    });
    // With `tcp_nopush`, as its guide advises: answers of 100 KiB wait 45 ms for their last piece under this load, but those of
    // 1 KiB cost a quarter more without it.
    let text = format!(
        "{user} daemon off; worker_processes {workers}; worker_rlimit_nofile 200000; pid {folder}/pid; error_log stderr crit;\n\
         events {{ worker_connections 65536; }}\n\
         http {{\n\
           access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;\n\
           keepalive_timeout 75s; keepalive_requests 1000000000;\n\
           client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;\n\
           uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;\n\
           open_file_cache max=10000 inactive=60s; open_file_cache_valid 60s;\n\
           proxy_cache_path {folder}/cache levels=1:2 keys_zone=cache:64m max_size={memory}m inactive=1h use_temp_path=off;\n\
           upstream origin {{ server {origin}; keepalive 128; keepalive_requests 1000000000; }}\n\
           server {{\n\
             listen {plain} backlog=1024; {secure}\n\
             location / {{\n\
               proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
               proxy_cache cache; proxy_cache_lock on; proxy_cache_use_stale updating;\n\
             }}\n\
           }}\n\
         }}\n",
        workers = setup.cores.len(),
        folder = folder.display(),
        memory = setup.memory_mib,
        origin = setup.origin,
        plain = at.plain,
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, text)?;
    command.arg("-p").arg(folder).arg("-c").arg(file);
    Ok(())
}
