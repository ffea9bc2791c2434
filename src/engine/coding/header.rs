//! The header of a gzip member (RFC 1952), read one byte at a time and thrown away.

use flate2::Crc;

use super::GunzipError;

const FLAG_HEADER_CRC: u8 = 1 << 1;
const FLAG_EXTRA: u8 = 1 << 2;
const FLAG_NAME: u8 = 1 << 3;
const FLAG_COMMENT: u8 = 1 << 4;

/// Where the header stands. Nothing is stored, so an endless file name costs no memory.
pub(super) struct Header {
    field: Field,
    flags: u8,
    crc: Crc,
}

pub(super) enum Progress {
    More,
    Complete,
}

enum Field {
    /// The ten fixed bytes; the index of the next.
    Fixed(u8),
    ExtraLength {
        low: Option<u8>,
    },
    Extra(u16),
    Name,
    Comment,
    Crc {
        low: Option<u8>,
    },
}

impl Header {
    pub(super) fn new() -> Header {
        Header { field: Field::Fixed(0), flags: 0, crc: Crc::new() }
    }

    pub(super) fn push(&mut self, byte: u8) -> Result<Progress, GunzipError> {
        if let Field::Crc { low } = self.field {
            return self.check(low, byte);
        }
        self.crc.update(&[byte]);
        match self.field {
            Field::Fixed(at) => return self.fixed(at, byte),
            Field::ExtraLength { low: None } => self.field = Field::ExtraLength { low: Some(byte) },
            Field::ExtraLength { low: Some(low) } => match u16::from_le_bytes([low, byte]) {
                0 => return Ok(self.after(FLAG_EXTRA)),
                length => self.field = Field::Extra(length),
            },
            Field::Extra(1) => return Ok(self.after(FLAG_EXTRA)),
            Field::Extra(left) => self.field = Field::Extra(left - 1),
            Field::Name if byte == 0 => return Ok(self.after(FLAG_NAME)),
            Field::Comment if byte == 0 => return Ok(self.after(FLAG_COMMENT)),
            Field::Name | Field::Comment | Field::Crc { .. } => {}
        }
        Ok(Progress::More)
    }

    fn fixed(&mut self, at: u8, byte: u8) -> Result<Progress, GunzipError> {
        let good = match at {
            0 => byte == 0x1f,
            1 => byte == 0x8b,
            2 => byte == 8,
            3 => {
                self.flags = byte;
                true
            }
            _ => true,
        };
        if !good {
            return Err(GunzipError::Header);
        }
        if at < 9 {
            self.field = Field::Fixed(at + 1);
            return Ok(Progress::More);
        }
        Ok(self.after(0))
    }

    /// Goes on to the next optional field behind the one with this flag.
    fn after(&mut self, done: u8) -> Progress {
        let wanted = |flag| self.flags & flag != 0;
        self.field = if done < FLAG_EXTRA && wanted(FLAG_EXTRA) {
            Field::ExtraLength { low: None }
        } else if done < FLAG_NAME && wanted(FLAG_NAME) {
            Field::Name
        } else if done < FLAG_COMMENT && wanted(FLAG_COMMENT) {
            Field::Comment
        } else if wanted(FLAG_HEADER_CRC) {
            Field::Crc { low: None }
        } else {
            return Progress::Complete;
        };
        Progress::More
    }

    fn check(&mut self, low: Option<u8>, byte: u8) -> Result<Progress, GunzipError> {
        let Some(low) = low else {
            self.field = Field::Crc { low: Some(byte) };
            return Ok(Progress::More);
        };
        if u16::from_le_bytes([low, byte]) == self.crc.sum() as u16 {
            Ok(Progress::Complete)
        } else {
            Err(GunzipError::Header)
        }
    }
}
