//! Frames, as a worker that was taken over might send them.

use super::protocol::{Frame, Job, Reply, read, write};

/// Reads frames until the bytes end or make no sense; what was read is written and read again as itself.
pub(crate) fn frames(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some(Frame { head, payload })) = read(&mut rest) {
        let mut again = Vec::new();
        write(&mut again, &head, &payload).unwrap_or_else(|error| panic!("{error}"));
        assert!(bytes.windows(again.len()).any(|window| window == again));
        if let Ok(reply) = serde_json::from_slice::<Reply>(&head) {
            let told = serde_json::to_vec(&reply).unwrap_or_else(|error| panic!("{error}"));
            assert!(serde_json::from_slice::<Reply>(&told).is_ok());
        }
        if let Ok(job) = serde_json::from_slice::<Job<'_>>(&head) {
            let told = serde_json::to_vec(&job).unwrap_or_else(|error| panic!("{error}"));
            assert!(serde_json::from_slice::<Job<'_>>(&told).is_ok());
        }
    }
}
