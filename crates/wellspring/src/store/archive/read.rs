//! Reads an archive from a file or a pipe, compressed or not. Blocks.

use std::io::{BufRead, BufReader, ErrorKind, Read};

use super::{Bad, Checker, Counts, Lines, Piece};

/// How a file compressed by zstd begins (RFC 8878, §3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The largest window that is decoded, as a power of two of bytes. zstd's usual levels need 23 at most.
const WINDOW: u32 = 25;
/// How much is read at once, in bytes.
const PIECE: usize = 64 << 10;

/// The pieces of an archive, one by one.
pub struct Reader<'a> {
    input: Box<dyn Read + 'a>,
    lines: Lines,
    checker: Checker,
    buffer: Vec<u8>,
    is_read: bool,
}

impl<'a> Reader<'a> {
    /// Of what is read here.
    ///
    /// # Errors
    /// Where nothing can be read.
    pub fn new(input: impl Read + 'a) -> Result<Self, Bad> {
        let mut input = BufReader::with_capacity(PIECE, input);
        let unreadable = |error: std::io::Error| Bad { line: 1, what: format!("it cannot be read ({error})") };
        let is_compressed = input.fill_buf().map_err(unreadable)?.starts_with(&ZSTD);
        let input: Box<dyn Read + 'a> = if is_compressed {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input).map_err(unreadable)?;
            decoder.window_log_max(WINDOW).map_err(unreadable)?;
            Box::new(decoder)
        } else {
            Box::new(input)
        };
        Ok(Self { input, lines: Lines::default(), checker: Checker::default(), buffer: vec![0; PIECE], is_read: false })
    }

    /// The next piece; none after the last, which is [`Piece::End`].
    ///
    /// # Errors
    /// What is wrong with the archive. Nothing that follows counts.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, Bad> {
        loop {
            match self.lines.pop() {
                Err(_) => return Err(self.checker.too_long()),
                Ok(Some(line)) => return self.checker.take(line).map(Some),
                Ok(None) if self.is_read => {
                    let rest = std::mem::take(&mut self.lines);
                    // The last line may lack its end.
                    if !rest.rest().is_empty() {
                        let cut = |bad: Bad| match bad.line {
                            1 => bad,
                            line => Bad { line, what: "it ends in the middle of this line: it is truncated".to_owned() },
                        };
                        return self.checker.take(rest.rest()).map(Some).map_err(cut);
                    }
                    return self.checker.finish().map(|_| None);
                }
                Ok(None) => {}
            }
            match self.input.read(&mut self.buffer) {
                Ok(0) => self.is_read = true,
                Ok(read) => self.lines.push(&self.buffer[..read]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(&error)),
            }
        }
    }

    /// Reads it to its end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(mut self) -> Result<Counts, Bad> {
        while self.next_piece()?.is_some() {}
        self.checker.finish()
    }

    /// What came so far.
    pub fn counts(&self) -> Counts {
        self.checker.counts()
    }

    fn broken(&self, error: &std::io::Error) -> Bad {
        let line = self.checker.counts().keys + self.checker.counts().revisions + 2;
        let what = match error.kind() {
            ErrorKind::UnexpectedEof => "what is compressed ends too early: it is truncated".to_owned(),
            _ => format!("it cannot be read from here on ({error})"),
        };
        Bad { line, what }
    }
}
