//! New members that are to their group what one before them is: nothing has to be asked about them.

use super::{Fold, MemberId};
use crate::engine::model::{SeriesHash, Spelled};

impl Fold {
    /// A member of one number joins a group as another did before it, in this scrape: its label set
    /// is spelled as it stands there, in so many bytes. `None` when there is one with its key.
    #[inline]
    pub fn join_new(&mut self, key: SeriesHash, model: MemberId, spelled: Spelled) -> Option<MemberId> {
        let id = self.members.insert_like(key, model, spelled)?;
        if !self.names.is_empty()
            && let Some(&names) = self.names.get(&model)
        {
            self.names.insert(id, names);
        }
        Some(id)
    }
}
