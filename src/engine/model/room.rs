//! Room for what grows large. Allocators hand out pieces of some megabytes from memory that they
//! keep: what grows from piece to piece leaves holes behind that the process still pays for. A piece
//! of more than 32 MiB is one that they fetch from the system and give back, the GNU C library's
//! moves it without copying; and of what is fetched only what was written to takes memory. So
//! whatever is large asks for more than that, though it may need less.

/// Vectors of more bytes than this are large.
const LARGE: usize = 1 << 20;
/// What they ask for at least.
const APART: usize = 33 << 20;

/// Appends; unlike `Vec::push` it knows what is large.
#[inline]
pub fn push<T>(all: &mut Vec<T>, one: T) {
    if all.len() == all.capacity() {
        grow(all);
    }
    all.push(one);
}

/// An empty vector with room for so many.
pub fn with_room<T>(len: usize) -> Vec<T> {
    Vec::with_capacity(room(len, size_of::<T>()))
}

/// Gives back what is much more than needed; so many more may come soon.
pub fn fit<T>(all: &mut Vec<T>, more: usize) {
    all.shrink_to(room(all.len() + more.max(all.len() / 4), size_of::<T>()));
}

/// Bytes that a vector takes: of what is large, only what was written to.
pub fn held<T>(all: &Vec<T>) -> usize {
    let capacity = all.capacity() * size_of::<T>();
    if capacity < LARGE { capacity } else { all.len() * size_of::<T>() }
}

/// To twice what there is.
#[cold]
fn grow<T>(all: &mut Vec<T>) {
    let more = room(2 * all.len().max(2), size_of::<T>()) - all.len();
    all.reserve_exact(more);
}

fn room(len: usize, size: usize) -> usize {
    if len * size < LARGE { len } else { len.max(APART / size.max(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_asks_for_more_than_allocators_keep() {
        let mut all = Vec::new();
        for number in 0..1_000_000_u64 {
            push(&mut all, number);
            let bytes = all.capacity() * 8;
            assert!(!(LARGE..=32 << 20).contains(&bytes), "{bytes} bytes for {}", all.len());
        }
        assert!(all.into_iter().eq(0..1_000_000));
        let mut all = Vec::<u32>::with_capacity(64 << 20);
        all.resize(1 << 20, 0);
        fit(&mut all, 0);
        assert!((32 << 20..34 << 20).contains(&(all.capacity() * 4)));
        assert_eq!(with_room::<u32>(100).capacity(), 100);
        assert!(with_room::<u32>(1 << 20).capacity() * 4 > 32 << 20);
    }
}
