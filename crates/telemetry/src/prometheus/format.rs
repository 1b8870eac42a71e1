//! Which format a scraper gets: what its `Accept` prefers, and Prometheus' own when it says nothing.

/// A format for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text exposition format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus' protobuf format, messages of `io.prometheus.client.MetricFamily` with their lengths before them.
    Protobuf,
}

impl Format {
    /// What `Content-Type` says.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// The format that `accept` likes best. OpenMetrics and protobuf must be asked for by name: a wildcard gets Prometheus' format, and
    /// so does a header that cannot be read (RFC 9110 §12.5.1 lets a server answer although nothing matches).
    #[must_use]
    pub fn negotiate(accept: Option<&str>) -> Self {
        let (mut open, mut plain, mut binary) = (0u16, 0u16, 0u16);
        for range in accept.unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut weight, mut known) = (1000, true);
            for parameter in parts {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_lowercase().as_str() {
                    "q" => weight = thousandths(value),
                    "proto" => known &= value == "io.prometheus.client.MetricFamily",
                    "encoding" => known &= value == "delimited",
                    "version" => known &= matches!(value, "1.0.0" | "0.0.1" | "0.0.4"),
                    _ => {}
                }
            }
            match media.as_str() {
                "application/openmetrics-text" if known => open = open.max(weight),
                "application/vnd.google.protobuf" if known => binary = binary.max(weight),
                "text/plain" | "text/*" | "*/*" if known => plain = plain.max(weight),
                _ => {}
            }
        }
        if binary > 0 && binary >= open && binary >= plain {
            Self::Protobuf
        } else if open > 0 && open >= plain {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }
}

/// A quality value in thousandths; zero when it is none.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    let fraction = format!("{fraction:0<3}").parse::<u16>().unwrap_or(0);
    match whole {
        "0" => fraction,
        "1" if fraction == 0 => 1000,
        _ => 0,
    }
}
