//! Server-sent events (WHATWG HTML, section 9.2), read from bytes that come in any pieces.
//!
//! What is given out depends on the bytes alone, never on where they were cut. What is kept is bounded.

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its type; `message` where none was named.
    pub name: String,
    /// Its lines of data, with line feeds between them.
    pub data: String,
    /// The last id that was named, by this event or by an earlier one; empty: none.
    pub id: String,
}

/// A line or an event has more bytes than the reader keeps; nothing is read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

/// Reads events as their bytes come.
#[derive(Debug)]
pub struct Parser {
    max_bytes: usize,
    /// What came of the present line, as bytes: a character may be cut in two.
    line: Vec<u8>,
    is_first_line: bool,
    /// The last byte was a carriage return: a line feed that follows belongs to it.
    after_return: bool,
    name: String,
    /// The lines of data so far, each with a line feed.
    data: String,
    id: String,
    retry_ms: Option<u64>,
    is_over: bool,
}

impl Parser {
    /// A reader at the beginning of a stream, that keeps lines and events of at most `max_bytes` bytes.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            line: Vec::new(),
            is_first_line: true,
            after_return: false,
            name: String::new(),
            data: String::new(),
            id: String::new(),
            retry_ms: None,
            is_over: false,
        }
    }

    /// Takes the next bytes; gives the events that they complete. An event ends with its empty line: what the stream
    /// breaks off before is never given out.
    ///
    /// # Errors
    /// Where a line or an event is too large, and from then on.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<Event>, TooLarge> {
        let mut events = Vec::new();
        let mut rest = chunk;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_return) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            self.keep(&rest[..end.unwrap_or(rest.len())])?;
            let Some(end) = end else { break };
            self.after_return = rest[end] == b'\r';
            rest = &rest[end + 1..];
            events.extend(self.end_line());
        }
        Ok(events)
    }

    /// How long the server asks to wait before the next connection, in milliseconds.
    #[must_use]
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        self.is_over |= self.line.len() + bytes.len() + self.data.len() > self.max_bytes;
        if self.is_over {
            return Err(TooLarge);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let is_first = std::mem::take(&mut self.is_first_line);
        let bytes = if is_first { line.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(&line) } else { &line };
        // A line break is never part of a longer character: line by line reads as the whole would.
        let text = String::from_utf8_lossy(bytes);
        if text.is_empty() {
            return self.end_event();
        }
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        self.take(field, value.strip_prefix(' ').unwrap_or(value));
        None
    }

    /// A line without a name before the colon is a comment; fields of other names mean nothing.
    fn take(&mut self, field: &str, value: &str) {
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry_ms = value.parse().ok().or(self.retry_ms);
            }
            _ => {}
        }
    }

    fn end_event(&mut self) -> Option<Event> {
        let (mut data, name) = (std::mem::take(&mut self.data), std::mem::take(&mut self.name));
        data.pop()?;
        let name = if name.is_empty() { "message".to_owned() } else { name };
        Some(Event { name, data, id: self.id.clone() })
    }
}

#[cfg(test)]
mod tests;
