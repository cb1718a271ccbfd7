//! Bytes, as they come, to lines of bounded length.

use super::{LONGEST, LONGEST_HEAD, REVISION};

/// Cuts what is pushed into lines.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
    /// Where the first line that was not given yet begins.
    start: usize,
    /// Up to where no end of a line was found.
    seen: usize,
}

/// A line that goes on for longer than any of an archive does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Lines {
    /// Adds what came. In small pieces: what is held is a line and a piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.pending.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        self.pending.extend_from_slice(piece);
    }

    /// The next whole line, without its end; none until more is pushed.
    ///
    /// # Errors
    /// As soon as a line is longer than any of an archive.
    pub fn pop(&mut self) -> Result<Option<&[u8]>, TooLong> {
        let found = self.pending[self.seen..].iter().position(|byte| *byte == b'\n').map(|at| self.seen + at);
        let line = &self.pending[self.start..found.unwrap_or(self.pending.len())];
        let longest = if line.starts_with(REVISION) { LONGEST } else { LONGEST_HEAD };
        if line.len() > longest {
            return Err(TooLong);
        }
        let Some(end) = found else {
            self.seen = self.pending.len();
            return Ok(None);
        };
        let start = std::mem::replace(&mut self.start, end + 1);
        self.seen = end + 1;
        Ok(Some(&self.pending[start..end]))
    }

    /// What stands after the last end of a line.
    pub fn rest(&self) -> &[u8] {
        &self.pending[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_they_come() {
        let text = b"one\n\nthree\nand a rest";
        for size in 1..=text.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for piece in text.chunks(size) {
                lines.push(piece);
                while let Some(line) = lines.pop().unwrap() {
                    found.push(line.to_vec());
                }
            }
            assert_eq!((found, lines.rest()), (vec![b"one".to_vec(), b"".to_vec(), b"three".to_vec()], &b"and a rest"[..]), "{size}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused_soon() {
        let (mut lines, mut pushed) = (Lines::default(), 0);
        while lines.pop() == Ok(None) {
            lines.push(&vec![b'x'; 1 << 16]);
            pushed += 1 << 16;
        }
        assert!(pushed <= LONGEST_HEAD + (2 << 16), "{pushed}");
    }
}
