//! `/api/v1/suggest`: a policy file for a target, to go by what its endpoints have shown. Plain
//! text, so that it can be saved as it comes.

use hyper::Uri;

use super::target;
use crate::admin::metrics;
use crate::admin::proposals;
use crate::admin::reply::Reply;
use crate::state::Shared;

/// Metrics looked at: labels of small ones are not worth a policy.
const MOST: usize = 1000;

pub(super) fn answer(shared: &Shared, uri: &Uri) -> Result<Reply, Reply> {
    let config = shared.config();
    let target = target(&config, uri)?;
    let name = &target.settings.name;
    let live: Vec<_> = shared.endpoints().all_of(Some(name)).iter().map(|(_, endpoint)| endpoint.live()).collect();
    let found = metrics::of(&target, &live, &shared.commons(name).events(), None, MOST);
    let steps = proposals::steps(&found.metrics);
    Ok(Reply::yaml(proposals::text(name, &found.metrics, &steps)))
}
