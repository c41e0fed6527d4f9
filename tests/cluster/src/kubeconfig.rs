//! kubeconfig files: one server, one user with a client certificate.

use std::path::Path;

use serde_json::json;

use crate::pki;

/// The text of a kubeconfig whose user is the certificate `user` in the folder `pki`.
///
/// JSON is YAML too, so every client reads it.
pub fn render(server: &str, pki: &Path, user: &str) -> String {
    let name = "flink-operator-cluster";
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{
            "name": name,
            "cluster": {
                "server": server,
                "certificate-authority": pki::file(pki, "ca", "crt"),
            },
        }],
        "users": [{
            "name": user,
            "user": {
                "client-certificate": pki::file(pki, user, "crt"),
                "client-key": pki::file(pki, user, "key"),
            },
        }],
        "contexts": [{
            "name": name,
            "context": { "cluster": name, "user": user, "namespace": "default" },
        }],
    });
    format!("{config:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_context_leads_to_the_server_and_the_user() {
        let text = render("https://127.0.0.1:1", Path::new("/pki"), "admin");
        let config: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(config["contexts"][0]["name"], config["current-context"]);
        assert_eq!(
            config["contexts"][0]["context"]["cluster"],
            config["clusters"][0]["name"]
        );
        assert_eq!(
            config["contexts"][0]["context"]["user"],
            config["users"][0]["name"]
        );
        assert_eq!(config["users"][0]["user"]["client-key"], "/pki/admin.key");
        assert_eq!(
            config["clusters"][0]["cluster"]["server"],
            "https://127.0.0.1:1"
        );
    }
}
