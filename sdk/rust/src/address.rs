//! Addresses of servers.

use tonic::transport::Uri;

use crate::InvalidArgument;

/// An address of a server, such as `http://127.0.0.1:8085`.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) uri: Uri,
    /// As it was given, with a scheme.
    pub(crate) text: String,
}

impl Address {
    /// Reads an address; without a scheme `http://` is meant. What has a path is refused: gRPC has no use for one.
    pub(crate) fn parse(given: &str) -> Result<Self, InvalidArgument> {
        let with_scheme = if given.contains("://") { given.to_owned() } else { format!("http://{given}") };
        let text = with_scheme.trim_end_matches('/').to_owned();
        // An error names what it refuses, but repeats no credentials.
        let shown = if given.contains('@') { "what was given" } else { given };
        let refusal = || {
            InvalidArgument::new(format!(
                "\"{shown}\" is no address of a server; give one such as http://127.0.0.1:8085"
            ))
        };
        let uri: Uri = text.parse().map_err(|_| refusal())?;
        let is_address = matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(is_host_and_port)
            && uri.path_and_query().is_none_or(|path| path == "/");
        if is_address { Ok(Self { uri, text }) } else { Err(refusal()) }
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }
}

fn is_host_and_port(authority: &tonic::codegen::http::uri::Authority) -> bool {
    let host = authority.host();
    let is_port = authority.port_u16().is_some() || authority.as_str().len() == host.len();
    !host.is_empty() && !authority.as_str().contains('@') && is_port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_is_filled_in_and_slashes_are_cut_off() {
        let texts = ["127.0.0.1:8085", "http://localhost/", "https://millpond.example:443", "[::1]:8085"]
            .map(|given| Address::parse(given).expect("an address").text);
        assert_eq!(
            texts,
            ["http://127.0.0.1:8085", "http://localhost", "https://millpond.example:443", "http://[::1]:8085"]
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for given in [
            "",
            "http://",
            "ftp://host",
            "not an address",
            "http://host:99999",
            "host:",
            "http://host/api",
            "http://h?q",
        ] {
            let refusal = Address::parse(given).expect_err(given);
            assert!(refusal.to_string().starts_with(&format!("\"{given}\" is no address")), "{refusal}");
        }
    }

    #[test]
    fn credentials_are_refused_and_not_repeated() {
        let refusal = Address::parse("http://user:secret@host").expect_err("credentials");
        assert!(!refusal.to_string().contains("secret"));
    }
}
