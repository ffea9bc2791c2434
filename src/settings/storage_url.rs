//! `storage.url`: where several guards keep what they share.

use redis::{ConnectionInfo, IntoConnectionInfo, RedisResult};

use super::Secret;

/// A store that several guards share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageUrl {
    pub form: StoreForm,
    /// A URL for each node, password included.
    pub nodes: Vec<Secret>,
}

/// How many nodes there are, and how they stand to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreForm {
    One,
    Cluster,
    /// The nodes are sentinels, which know where the master of this name is.
    Sentinel {
        master: String,
    },
}

const SCHEMES: [&str; 4] = ["redis", "rediss", "valkey", "valkeys"];
pub(super) const HELP: &str = "redis://[user:password@]host:6379[/database]; rediss, valkey and valkeys likewise; \
     redis+cluster://host:6379,host:6379; redis+sentinel://host:26379,host:26379/master[/database]";

impl StorageUrl {
    /// `None`: it is no such URL.
    pub fn parse(text: &str) -> Option<StorageUrl> {
        let (scheme, rest) = text.split_once("://")?;
        let (scheme, form) = scheme.split_once('+').map_or((scheme, None), |(scheme, form)| (scheme, Some(form)));
        if !SCHEMES.contains(&scheme) {
            return None;
        }
        let (authority, path) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
        let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
        let (form, path) = match form {
            None => (StoreForm::One, path),
            Some("cluster") if path.is_empty() => (StoreForm::Cluster, ""),
            Some("sentinel") => {
                let (master, path) = path.split_once('/').unwrap_or((path, ""));
                (StoreForm::Sentinel { master: master.to_owned() }, path)
            }
            Some(_) => return None,
        };
        let at = if user.is_empty() { "" } else { "@" };
        let node = |host: &str| Secret(format!("{scheme}://{user}{at}{host}/{path}"));
        let url = StorageUrl { nodes: hosts.split(',').map(node).collect(), form };
        let is_one = url.form != StoreForm::One || url.nodes.len() == 1;
        let is_named = url.form != StoreForm::Sentinel { master: String::new() };
        (is_one && is_named && url.infos().is_ok()).then_some(url)
    }

    pub fn is_tls(&self) -> bool {
        self.nodes.iter().all(|node| node.0.starts_with("rediss:") || node.0.starts_with("valkeys:"))
    }

    /// What the client library makes of the nodes.
    pub fn infos(&self) -> RedisResult<Vec<ConnectionInfo>> {
        self.nodes.iter().map(|node| node.0.as_str().into_connection_info()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(text: &str) -> Option<(StoreForm, Vec<String>)> {
        StorageUrl::parse(text).map(|url| (url.form, url.nodes.into_iter().map(|node| node.0).collect()))
    }

    #[test]
    fn each_form_gives_its_nodes() {
        let one = |node: &str| Some((StoreForm::One, vec![node.to_owned()]));
        assert_eq!(nodes("redis://store"), one("redis://store/"));
        assert_eq!(nodes("valkeys://u:p%40@store:1/2"), one("valkeys://u:p%40@store:1/2"));
        let cluster = ["rediss://:p@a:1/", "rediss://:p@b:2/"].map(str::to_owned).to_vec();
        assert_eq!(nodes("rediss+cluster://:p@a:1,b:2"), Some((StoreForm::Cluster, cluster)));
        let sentinels = ["redis://a:1/3", "redis://b:2/3"].map(str::to_owned).to_vec();
        let form = StoreForm::Sentinel { master: "m".into() };
        assert_eq!(nodes("redis+sentinel://a:1,b:2/m/3"), Some((form, sentinels)));
        let is_tls = |text: &str| StorageUrl::parse(text).unwrap().is_tls();
        assert!(is_tls("valkeys://rediss") && is_tls("rediss+cluster://a:1,b:2"));
        assert!(!is_tls("redis://rediss") && !is_tls("valkey+sentinel://a:1,b:2/valkeys"));
    }

    #[test]
    fn what_is_no_store_is_refused() {
        let wrong = ["", "store:6379", "http://store", "redis://", "redis://a,b", "redis+ring://a", "redis://a/x"];
        for text in wrong.into_iter().chain(["redis+sentinel://a", "redis+cluster://a/1", "redis://a:port"]) {
            assert_eq!(StorageUrl::parse(text), None, "{text}");
        }
    }
}
