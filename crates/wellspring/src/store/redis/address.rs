//! Where Redis is: one server, or the master that sentinels name. Never shown with what is secret in it.

use std::fmt;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    RedisError, RedisResult, cmd,
};

use crate::store::StoreError;

/// What stands before the `://` of an address.
const SCHEMES: [&str; 5] = ["redis", "rediss", "redis+unix", "redis+sentinel", "rediss+sentinel"];
/// Where sentinels listen.
const SENTINEL: u16 = 26_379;

/// How to get a connection.
pub(super) struct Address {
    place: Place,
    settings: RedisConnectionInfo,
}

enum Place {
    Server(ConnectionAddr),
    Sentinels { hosts: Vec<ConnectionAddr>, name: String, is_encrypted: bool },
}

impl Address {
    /// What a `[store] url` says.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] without the address: it may hold a password.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        let unusable = |why: &str| StoreError::Unusable(format!("the address of Redis {why}"));
        let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
        if !SCHEMES.contains(&scheme) || rest.is_empty() {
            return Err(unusable("is written `redis://user:password@host:6379/0`"));
        }
        let parsed = |url: &str| url.into_connection_info().map_err(|error| unusable(&format!("cannot be read ({})", reason(&error))));
        let Some(scheme) = scheme.strip_suffix("+sentinel") else {
            let info = parsed(url)?;
            return Ok(Self { place: Place::Server(info.addr().clone()), settings: info.redis_settings().clone() });
        };
        let written = || unusable("behind sentinels is written `redis+sentinel://user:password@host:26379,other:26379/name/0`");
        let (who, rest) = rest.rsplit_once('@').map_or((None, rest), |(who, rest)| (Some(who), rest));
        let mut parts = rest.trim_end_matches('/').splitn(3, '/');
        let (hosts, name, database) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
        if name.is_empty() {
            return Err(written());
        }
        let hosts = hosts.split(',').map(|host| {
            let address = parsed(&format!("redis://{host}"))?.addr().clone();
            Ok(match address {
                // It is the port of a Redis where none is written.
                ConnectionAddr::Tcp(name, _) if !host.ends_with(|last: char| last.is_ascii_digit()) || !host.contains(':') => {
                    ConnectionAddr::Tcp(name, SENTINEL)
                }
                address => address,
            })
        });
        let hosts = hosts.collect::<Result<Vec<_>, StoreError>>()?;
        let who = who.map(|who| format!("{who}@")).unwrap_or_default();
        let settings = parsed(&format!("redis://{who}any/{}", database.unwrap_or_default()))?.redis_settings().clone();
        let place = Place::Sentinels { hosts, name: name.to_owned(), is_encrypted: scheme == "rediss" };
        Ok(Self { place, settings })
    }

    pub(super) fn database(&self) -> i64 {
        self.settings.db()
    }

    /// Another server may have taken the place of one that takes no writes any more.
    pub(super) fn has_others(&self) -> bool {
        matches!(self.place, Place::Sentinels { .. })
    }

    /// A connection for commands.
    pub(super) async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        self.connect_as(self.settings.clone(), &config()).await
    }

    /// One that is told what comes by, as `heard` is given it.
    pub(super) async fn listen(&self, heard: impl Fn(redis::PushInfo) + Send + Sync + 'static) -> RedisResult<MultiplexedConnection> {
        let config = config().set_push_sender(move |push| {
            heard(push);
            Ok::<(), ()>(())
        });
        self.connect_as(self.settings.clone().set_protocol(ProtocolVersion::RESP3), &config).await
    }

    async fn connect_as(&self, settings: RedisConnectionInfo, config: &AsyncConnectionConfig) -> RedisResult<MultiplexedConnection> {
        let address = match &self.place {
            Place::Server(address) => address.clone(),
            Place::Sentinels { hosts, name, is_encrypted } => master(hosts, name, *is_encrypted).await?,
        };
        let mut connection = client(address, settings)?.get_multiplexed_async_connection_with_config(config).await?;
        if self.has_others() {
            let role: Vec<redis::Value> = cmd("ROLE").query_async(&mut connection).await?;
            if role.first() != Some(&redis::Value::BulkString(b"master".to_vec())) {
                return Err(RedisError::from((ErrorKind::Io, "the sentinels name a server that is no master")));
            }
        }
        Ok(connection)
    }
}

/// The deadlines are those of the caller, around all of it.
fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None)
}

fn client(address: ConnectionAddr, settings: RedisConnectionInfo) -> RedisResult<Client> {
    let info: ConnectionInfo = address.into_connection_info()?;
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    let info = info.set_redis_settings(settings).set_tcp_settings(tcp);
    if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
        // The client takes the provider of the process; where one is set already it is this one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        return Client::build_with_tls(info, redis::TlsCertificates { client_tls: None, root_cert: None });
    }
    Client::open(info)
}

/// The first answer of a sentinel counts. They are asked without a password.
async fn master(hosts: &[ConnectionAddr], name: &str, is_encrypted: bool) -> RedisResult<ConnectionAddr> {
    let mut why = RedisError::from((ErrorKind::Io, "no sentinel knows the master"));
    for host in hosts {
        match ask(host, name).await {
            Ok(Some((host, port))) if is_encrypted => {
                return Ok(ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None });
            }
            Ok(Some((host, port))) => return Ok(ConnectionAddr::Tcp(host, port)),
            Ok(None) => {}
            Err(error) => why = error,
        }
    }
    Err(why)
}

async fn ask(host: &ConnectionAddr, name: &str) -> RedisResult<Option<(String, u16)>> {
    // Of several, one that says nothing must not take the time of the others.
    let asking = async {
        let mut connection =
            client(host.clone(), RedisConnectionInfo::default())?.get_multiplexed_async_connection_with_config(&config()).await?;
        cmd("SENTINEL").arg("get-master-addr-by-name").arg(name).query_async(&mut connection).await
    };
    let late = |_| RedisError::from((ErrorKind::Io, "a sentinel did not answer in time"));
    tokio::time::timeout(super::link::CONNECT / 4, asking).await.map_err(late)?
}

/// What was wrong, without what was written.
fn reason(error: &RedisError) -> &str {
    error.category()
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.database();
        match &self.place {
            Place::Server(address) => write!(f, "{address}, database {database}"),
            Place::Sentinels { hosts, name, .. } => {
                for host in hosts {
                    write!(f, "{host}, ")?;
                }
                write!(f, "master {name}, database {database}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    fn shown(url: &str) -> String {
        match Address::parse(url) {
            Ok(address) => format!("{address:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn addresses_are_read_and_shown_without_secrets() {
        let shown = |url: &str| {
            let shown = shown(url);
            assert!(!shown.contains("geheim"), "{shown}");
            shown
        };
        insta::assert_snapshot!(shown("redis://wells:geheim@host:7000/3"), @"host:7000, database 3");
        insta::assert_snapshot!(shown("rediss://:geheim@host"), @"host:6379, database 0");
        insta::assert_snapshot!(shown("redis+unix:///run/redis.sock?db=2&pass=geheim"), @"/run/redis.sock, database 2");
        insta::assert_snapshot!(
            shown("redis+sentinel://:geheim@a.example,b.example:26380/wells/4"),
            @"a.example:26379, b.example:26380, master wells, database 4"
        );
        insta::assert_snapshot!(shown("redis+sentinel://:geheim@a.example/"), @"the address of Redis behind sentinels is written `redis+sentinel://user:password@host:26379,other:26379/name/0`");
        insta::assert_snapshot!(shown("redis://:geheim@host/one"), @"the address of Redis cannot be read (invalid client config)");
        insta::assert_snapshot!(shown("http://:geheim@host/"), @"the address of Redis is written `redis://user:password@host:6379/0`");
    }
}
