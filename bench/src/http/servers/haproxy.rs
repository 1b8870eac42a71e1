//! HAProxy with its cache in memory, one thread for each core.

use super::{Addresses, Setup};
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

pub(super) fn configure(command: &mut Command, folder: &Path, at: Addresses, setup: &Setup<'_>) -> io::Result<()> {
    let secure = setup.certificate.map_or_else(String::new, |certificate| {
        format!(
            "  bind {} ssl crt {} alpn h2,http/1.1\n",
            at.secure,
            certificate.both.display()
        )
    });
    let text = format!(
        "global\n  nbthread {threads}\n\
         defaults\n  mode http\n  option http-keep-alive\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n  \
         timeout http-keep-alive 1h\n\
         cache store\n  total-max-size {memory}\n  max-object-size 2097152\n  max-age 3600\n\
         frontend clients\n  bind {plain}\n{secure}  http-request cache-use store\n  http-response cache-store store\n  \
         default_backend origin\n\
         backend origin\n  http-reuse always\n  server origin {origin}\n",
        threads = setup.cores.len(),
        memory = setup.memory_mib,
        plain = at.plain,
        origin = setup.origin,
    );
    let file = folder.join("haproxy.cfg");
    fs::write(&file, text)?;
    command.arg("-db").arg("-f").arg(file);
    Ok(())
}
