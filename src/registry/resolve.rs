//! Names of hosts to addresses, within a time limit: getaddrinfo(3) has none, so that another thread waits for it. ureq's
//! own resolver panics where a thread cannot be started.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::unversioned::transport::time::Duration;

use crate::threads;

/// ureq's resolver, on a thread that may not be had.
#[derive(Debug)]
pub(super) struct InTime;

impl Resolver for InTime {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let (send, receive) = sync_channel(1);
        let (uri, config) = (uri.clone(), config.clone());
        // Without a time limit, that resolver starts no thread.
        let unlimited = NextTimeout { after: Duration::NotHappening, ..timeout };
        threads::start(move || {
            let _ = send.send(DefaultResolver::default().resolve(&uri, &config, unlimited)); // too late, perhaps
        })
        .map_err(|e| Error::Io(io::Error::other(e)))?;
        match receive.recv_timeout(*timeout.after) {
            Ok(addresses) => addresses,
            Err(RecvTimeoutError::Timeout) => Err(Error::Timeout(timeout.reason)),
            Err(RecvTimeoutError::Disconnected) => Err(Error::HostNotFound),
        }
    }
}
