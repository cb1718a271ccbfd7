//! By which means a page was obtained: the cheap one, or a browser.

use serde::{Deserialize, Serialize};

/// A means of obtaining a page, the cheaper first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// One plain request.
    #[default]
    Http,
    /// A browser that runs the page's scripts.
    Browser,
}

impl Rung {
    /// As it stands in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Browser => "browser",
        }
    }
}
