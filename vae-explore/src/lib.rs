//! A local web page to look into a trained model: sliders for its latents, a map of its codes, examples of one's own.

mod api;
mod atlas;
mod guard;
mod items;
mod pool;
mod refusal;
mod server;
mod shown;
mod upload;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Duration,
};

use axum::{
    extract::Request, http::StatusCode, middleware, middleware::Next, response::IntoResponse,
};
use tokio::{net::TcpListener, runtime, time::timeout};
use vae_variants::{Detector, MapMethod, Trained};

use api::World;
use atlas::Atlas;
use guard::Guard;
use pool::Pool;
use refusal::Refusal;

pub use items::Items;

/// The longest that a request may take, with all of its body.
const REQUEST: Duration = Duration::from_secs(90);

/// What the page shows.
pub struct Explorer {
    /// The same model for each thread: the last one is for what takes long.
    pub models: Vec<Trained>,
    /// The examples.
    pub items: Items,
    /// How codes become points of the map; as the width of a code asks for, if nothing.
    pub method: Option<MapMethod>,
    /// What says how unusual an example is; the error of its reconstruction, if nothing.
    pub detector: Option<Detector>,
}

/// Where a page is served.
pub struct Serving {
    listener: std::net::TcpListener,
    token: Option<String>,
}

impl Serving {
    /// Takes the port, 0 for any. Others than this machine must show the token.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub fn at(host: IpAddr, port: u16, token: Option<String>) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((host, port))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, token })
    }

    /// The address that was taken.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Serves the page until `stop` becomes true.
///
/// # Errors
/// If the server cannot start.
pub fn serve(explorer: Explorer, serving: Serving, stop: Arc<AtomicBool>) -> io::Result<()> {
    let Explorer {
        mut models,
        items,
        method,
        detector,
    } = explorer;
    let address = serving.address()?;
    let (Some(slow), Some(first)) = (models.pop(), models.first()) else {
        return Err(io::Error::other("two models are needed"));
    };
    let about = api::about(first, &items);
    let world = Arc::new(World {
        quick: Pool::new(models),
        slow: Pool::new(vec![slow]),
        items,
        about,
        atlas: OnceLock::new(),
        doing: Default::default(),
    });
    server::allow_many_files();
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let shared = Arc::clone(&world);
        tokio::spawn(async move {
            let inner = Arc::clone(&shared);
            let made = shared.slow.wait(move |model| {
                Atlas::new(model, &inner.items, method, detector.as_ref(), &inner.doing)
            });
            let made = made.await.map_err(|refusal| refusal.message);
            let _ = shared.atlas.set(made);
        });
        let guard = Guard {
            address,
            token: serving.token,
        };
        let router = api::router(world)
            .layer(middleware::from_fn(in_time))
            .layer(middleware::from_fn_with_state(guard, Guard::watch));
        let listener = TcpListener::from_std(serving.listener)?;
        server::serve(listener, router, stop).await;
        Ok::<(), io::Error>(())
    })?;
    // What is under way need not end first.
    runtime.shutdown_background();
    Ok(())
}

/// Ends a request that takes too long.
async fn in_time(request: Request, next: Next) -> axum::response::Response {
    match timeout(REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            Refusal::of(StatusCode::REQUEST_TIMEOUT, "the request takes too long").into_response()
        }
    }
}
