//! Which URLs may be asked.

use url::{Host, Url};

use super::FetchError;

/// Whether a URL may be asked where `loopback_http` is, or is not, allowed.
pub(crate) fn permits(url: &Url, loopback_http: bool) -> Result<(), FetchError> {
    let allowed = match url.scheme() {
        "https" => true,
        "http" => loopback_http && is_loopback(url),
        _ => false,
    };
    if allowed { Ok(()) } else { Err(FetchError::Insecure(url.clone())) }
}

/// Whether the host is this machine, by what the URL itself says: no name is looked up for that.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_for_loopback_and_only_when_allowed() {
        let table = [
            ("https://as.example/", true, true),
            ("http://as.example/", false, false),
            ("http://127.0.0.1:9000/", true, false),
            ("http://127.9.9.9/", true, false),
            ("http://[::1]:9000/", true, false),
            ("http://localhost:9000/", true, false),
            ("http://localhost.example/", false, false),
            ("http://127.0.0.1.example/", false, false),
            ("http://0.0.0.0/", false, false),
            ("http://169.254.169.254/", false, false),
            ("file:///etc/passwd", false, false),
            ("ftp://127.0.0.1/", false, false),
        ];
        for (url, with_option, without) in table {
            let url = Url::parse(url).unwrap();
            assert_eq!(permits(&url, true).is_ok(), with_option, "{url}");
            assert_eq!(permits(&url, false).is_ok(), without, "{url}");
        }
    }
}
