//! Reads what `iptables-save` prints and writes what takes the cluster's part out again. Pure.

use std::collections::BTreeMap;

/// Chains with these beginnings are made by the kubelet, kube-proxy and the CNI plug-ins.
const OURS: &[&str] = &["KUBE-", "CNI-"];

/// The names of the tables.
pub fn tables(saved: &str) -> Vec<String> {
    saved
        .lines()
        .filter_map(|line| line.strip_prefix('*'))
        .map(str::to_owned)
        .collect()
}

/// Whether a kube-proxy has written its rules here.
pub fn has_kubernetes(saved: &str) -> bool {
    saved
        .lines()
        .any(|line| line.starts_with(":KUBE-SERVICES "))
}

/// The input of `iptables-restore --noflush` that removes the cluster's chains, every rule that
/// leads to them, and rules with the comment `mark`. Empty when there is nothing to remove.
pub fn removal(saved: &str, mark: &str) -> String {
    let mut script = String::new();
    for (table, lines) in by_table(saved) {
        let chains: Vec<_> = lines
            .iter()
            .filter_map(|line| line.strip_prefix(':')?.split(' ').next())
            .filter(|chain| is_ours(chain))
            .collect();
        let rules: Vec<_> = lines
            .iter()
            .filter_map(|line| line.strip_prefix("-A "))
            .filter(|rule| !is_ours(rule) && (leads_to_ours(rule) || has_mark(rule, mark)))
            .collect();
        if chains.is_empty() && rules.is_empty() {
            continue;
        }
        let mut part = vec![format!("*{table}")];
        // Named with a colon, a chain is emptied; only then can chains that name each other go.
        part.extend(chains.iter().map(|chain| format!(":{chain} - [0:0]")));
        part.extend(rules.iter().map(|rule| format!("-D {rule}")));
        part.extend(chains.iter().map(|chain| format!("-X {chain}")));
        part.push("COMMIT\n".to_owned());
        script.push_str(&part.join("\n"));
    }
    script
}

/// Whether a table has neither rules nor chains beyond the built-in ones, all letting pass.
pub fn is_bare(saved: &str, table: &str) -> bool {
    by_table(saved).get(table).is_some_and(|lines| {
        lines
            .iter()
            .all(|line| line.starts_with(':') && line.contains(" ACCEPT "))
    })
}

fn by_table(saved: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut tables: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut table = "";
    for line in saved.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
            tables.insert(table, Vec::new());
        } else if line.starts_with(':') || line.starts_with("-A ") {
            tables.entry(table).or_default().push(line);
        }
    }
    tables
}

fn is_ours(chain: &str) -> bool {
    OURS.iter().any(|start| chain.starts_with(start))
}

fn leads_to_ours(rule: &str) -> bool {
    ["-j ", "-g "]
        .iter()
        .any(|jump| rule.rsplit_once(jump).is_some_and(|(_, to)| is_ours(to)))
}

fn has_mark(rule: &str, mark: &str) -> bool {
    rule.contains(&format!("--comment {mark} ")) || rule.contains(&format!("--comment \"{mark}\" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: &str = "\
# Generated
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [5:300]
:KUBE-FORWARD - [0:0]
:DOCKER - [0:0]
-A INPUT -p tcp -j DOCKER
-A FORWARD -i cni0 ! -o cni0 -m comment --comment mark -j DROP
-A FORWARD -m comment --comment \"kubernetes rules\" -j KUBE-FORWARD
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
-A PREROUTING -j KUBE-SERVICES
COMMIT
*mangle
:INPUT ACCEPT [0:0]
COMMIT
";

    #[test]
    fn only_what_the_cluster_made_is_removed() {
        let script = removal(SAVED, "mark");
        let expected = "\
*filter
:KUBE-FORWARD - [0:0]
-D FORWARD -i cni0 ! -o cni0 -m comment --comment mark -j DROP
-D FORWARD -m comment --comment \"kubernetes rules\" -j KUBE-FORWARD
-X KUBE-FORWARD
COMMIT
*nat
:KUBE-SERVICES - [0:0]
-D PREROUTING -j KUBE-SERVICES
-X KUBE-SERVICES
COMMIT
";
        assert_eq!(script, expected);
    }

    #[test]
    fn a_machine_without_a_cluster_is_left_alone() {
        assert_eq!(
            removal(
                "*filter\n:INPUT DROP [0:0]\n-A INPUT -j DOCKER\nCOMMIT\n",
                "mark"
            ),
            ""
        );
        assert_eq!(removal("", "mark"), "");
    }

    #[test]
    fn a_running_kube_proxy_is_noticed() {
        assert!(has_kubernetes(SAVED));
        assert!(!has_kubernetes("*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"));
    }

    #[test]
    fn a_table_is_bare_without_rules_and_policies() {
        assert_eq!(tables(SAVED), ["filter", "nat", "mangle"]);
        assert!(is_bare(SAVED, "mangle"));
        assert!(!is_bare(SAVED, "nat"));
        assert!(!is_bare("*filter\n:INPUT DROP [0:0]\nCOMMIT\n", "filter"));
        assert!(!is_bare(SAVED, "raw"));
    }
}
