//! What a browser's request makes the outlet judge and dial.

use http::{Method, Uri};
use url::Url;

use super::target::Target;

/// The address that is judged; its host is the one that is dialled.
pub(in crate::fetch) fn wanted(method: &Method, uri: &Uri) -> Option<Url> {
    let target = Target::of(method, uri)?;
    assert_eq!(target.url().host().map(|host| host.to_owned()), Some(target.host()));
    assert_eq!(target.url().port_or_known_default(), Some(target.port()));
    Some(target.url().clone())
}
