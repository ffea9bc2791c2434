//! The last good value of a member: mostly one number, which stands in the member's record, else the
//! place of several.

/// The last good value; NaN where none was seen. Most members hold one number, the bits are then
/// its own; else they are [`MANY`] and the place of the numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value(pub u64);

/// A NaN that no arithmetic gives and no parser: what stands in its lower half is a place.
pub(super) const MANY: u64 = 0xfff7_5eed_0000_0000;
const UPPER: u64 = 0xffff_ffff_0000_0000;

impl Value {
    pub const UNKNOWN: Value = Value(0x7ff8_0000_0000_0000);

    #[inline]
    pub fn one(value: f64) -> Value {
        Value(if value.is_nan() { Value::UNKNOWN.0 } else { value.to_bits() })
    }

    /// Where the numbers are, when there are several.
    #[inline]
    pub fn place(self) -> Option<usize> {
        (self.0 & UPPER == MANY).then_some((self.0 & !UPPER) as usize)
    }
}

/// The numbers of members that hold several.
#[derive(Debug, Default)]
pub(super) struct Many {
    pub numbers: Vec<Vec<f64>>,
    free: Vec<u32>,
}

/// What an allocator needs for a small piece of memory, beside its bytes.
const PIECE: usize = 16;

impl Many {
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    pub fn insert(&mut self, numbers: Vec<f64>) -> Value {
        let at = self.free.pop().unwrap_or_else(|| {
            self.numbers.push(Vec::new());
            self.numbers.len() as u32 - 1
        });
        self.numbers[at as usize] = numbers;
        Value(MANY | u64::from(at))
    }

    pub fn set(&mut self, member: &mut Value, field: usize, value: f64) {
        let at = match member.place() {
            Some(at) => at,
            None => {
                *member = self.insert(vec![f64::from_bits(member.0)]);
                member.place().unwrap_or_default()
            }
        };
        let numbers = &mut self.numbers[at];
        if numbers.len() <= field {
            numbers.resize(field + 1, f64::NAN);
        }
        numbers[field] = value;
    }

    pub fn remove(&mut self, value: Value) {
        if let Some(at) = value.place() {
            self.numbers[at] = Vec::new();
            self.free.push(at as u32);
        }
    }

    pub fn memory(&self) -> usize {
        let each = self.numbers.first().map_or(0, |n| n.capacity() * 8 + PIECE);
        self.numbers.capacity() * size_of::<Vec<f64>>() + self.numbers.len() * each + self.free.capacity() * 4
    }
}
