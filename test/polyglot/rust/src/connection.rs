//! A connection with a runtime of its own, so that it can be cut from under its stream.
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tonic::Request;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::Outcome;

/// Of a test that waits for what never comes; a real client gives its stream no deadline.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub struct Dialer {
    pub address: String,
    pub ca: Option<String>,
    pub token: Option<String>,
}

pub struct Connection {
    pub runtime: Runtime,
    pub channel: Channel,
}

impl Dialer {
    pub fn connect(&self) -> Outcome<Connection> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let endpoint = self.endpoint().map_err(|error| error.to_string())?;
        let channel = {
            let _inside = runtime.enter();
            endpoint.connect_lazy()
        };
        Ok(Connection { runtime, channel })
    }

    fn endpoint(&self) -> Result<Endpoint, tonic::transport::Error> {
        let Some(ca) = &self.ca else {
            return Endpoint::from_shared(format!("http://{}", self.address));
        };
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
        Endpoint::from_shared(format!("https://{}", self.address))?.tls_config(tls)
    }

    /// `bearer` of a step goes before the token; an empty one is none.
    pub fn request<T>(&self, message: T, deadline: Duration, bearer: Option<&str>) -> Outcome<Request<T>> {
        let mut request = Request::new(message);
        request.set_timeout(deadline);
        let token = bearer.or(self.token.as_deref()).unwrap_or_default();
        if !token.is_empty() {
            let value = format!("Bearer {token}").parse().map_err(|_| "the token fits no header")?;
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

impl Connection {
    /// Drops the connection with nothing said: no half-close, no cancel, no GOAWAY.
    pub fn cut(self) {
        self.runtime.shutdown_background();
    }
}
