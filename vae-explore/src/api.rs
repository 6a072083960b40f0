//! What the page asks for.

use std::sync::{Arc, OnceLock};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, Path, Query, Request, State,
        rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection},
    },
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use vae_data::ColumnKind;
use vae_variants::{Condition, Course, MapMethod, Sampling, Spot, Trained};

use crate::{
    atlas::{Atlas, Doing},
    items::Items,
    pool::Pool,
    refusal::{Answer, Refusal},
    shown::{Shown, error_map},
    upload,
};

/// Where files are sent to.
const DROP: &str = "/api/drop";
/// The largest request in JSON, and the largest file.
const REQUEST: usize = 1 << 20;
const FILE: usize = 64 << 20;
/// Examples that one request may ask for.
const MANY: usize = 100;
/// A number of a code that no model is meant to decode.
const FAR: f32 = 1e6;
/// Neighbours that are shown.
const NEIGHBOURS: usize = 10;

/// All that requests need.
pub struct World {
    /// For what must be quick.
    pub quick: Pool,
    /// For what may take a while.
    pub slow: Pool,
    /// The examples.
    pub items: Items,
    /// What is known of the model.
    pub about: Value,
    /// The map, when it is done.
    pub atlas: OnceLock<Result<Atlas, String>>,
    /// How far the map is.
    pub doing: Doing,
}

type Shared = State<Arc<World>>;

/// Every address of the server.
pub fn router(world: Arc<World>) -> Router {
    let file = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, kind)], text) })
    };
    Router::new()
        .route(
            "/",
            get(|| async { Html(include_str!("../page/index.html")) }),
        )
        .route(
            "/app.js",
            file("text/javascript", include_str!("../page/app.js")),
        )
        .route(
            "/map.js",
            file("text/javascript", include_str!("../page/map.js")),
        )
        .route(
            "/style.css",
            file("text/css", include_str!("../page/style.css")),
        )
        .route(
            "/icon.svg",
            file("image/svg+xml", include_str!("../page/icon.svg")),
        )
        .route("/api/model", get(model))
        .route("/api/atlas", get(atlas))
        .route("/api/points", get(points))
        .route("/api/labels", get(labels))
        .route("/api/examples", get(examples))
        .route("/api/items/{number}", get(item))
        .route("/api/decode", post(decode))
        .route("/api/sample", post(sample))
        .route("/api/walk", post(walk))
        .route(DROP, post(dropped).layer(DefaultBodyLimit::max(FILE)))
        .fallback(|| async {
            Refusal::of(StatusCode::NOT_FOUND, "there is nothing at this address")
        })
        .method_not_allowed_fallback(|| async {
            Refusal::of(
                StatusCode::METHOD_NOT_ALLOWED,
                "this address takes another method",
            )
        })
        .layer(DefaultBodyLimit::max(REQUEST))
        .layer(middleware::from_fn(refuse_long))
        .with_state(world)
}

/// The largest body at an address.
fn most(path: &str) -> usize {
    match path == DROP {
        true => FILE,
        false => REQUEST,
    }
}

fn too_long(path: &str) -> Refusal {
    Refusal::of(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!(
            "a request to {path} may have at most {} MiB",
            most(path) >> 20
        ),
    )
}

/// Refuses what says that it is too long before it is read.
async fn refuse_long(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length: Option<u64> = length.and_then(|length| length.to_str().ok()?.parse().ok());
    match length.is_some_and(|length| length > most(&path) as u64) {
        true => too_long(&path).into_response(),
        false => next.run(request).await,
    }
}

impl World {
    fn atlas(&self) -> Answer<&Atlas> {
        let wait = || {
            Refusal::of(
                StatusCode::SERVICE_UNAVAILABLE,
                "the map is being made: ask /api/atlas how far it is",
            )
        };
        let made = self.atlas.get().ok_or_else(wait)?;
        made.as_ref()
            .map_err(|why| Refusal::of(StatusCode::UNPROCESSABLE_ENTITY, why.clone()))
    }
}

/// What is known of a model before any example is looked at.
pub fn about(model: &Trained, items: &Items) -> Value {
    let (own, data) = (model.description(), model.data());
    let kind = match data.shape.image() {
        Some([channels, height, width]) => {
            json!({ "kind": "image", "channels": channels, "height": height, "width": width })
        }
        None => {
            let kinds = data.table.as_ref().map(|table| table.kinds());
            let names = data.column_names().into_iter().enumerate();
            let columns =
                names.map(
                    |(place, name)| match kinds.and_then(|kinds| kinds.get(place)) {
                        Some(ColumnKind::Category { levels }) => {
                            json!({ "name": name, "levels": levels })
                        }
                        Some(ColumnKind::Date { .. }) => json!({ "name": name, "date": true }),
                        _ => json!({ "name": name }),
                    },
                );
            json!({ "kind": "row", "columns": columns.collect::<Vec<_>>() })
        }
    };
    json!({
        "variant": own.variant.info().name,
        "dataset": data.dataset,
        "items": items.name,
        "count": items.count(),
        "latent": model.latent(),
        "parameters": model.parameters(),
        "data": kind,
        "classes": own.classes,
        "conditional": own.variant.is_conditional() && !own.classes.is_empty(),
        "generative": model.is_generative(),
        "standard_prior": model.has_standard_prior(),
        "version": env!("CARGO_PKG_VERSION"),
    })
}

async fn model(State(world): Shared) -> Json<Value> {
    Json(world.about.clone())
}

async fn atlas(State(world): Shared) -> Answer<Json<Value>> {
    let Some(made) = world.atlas.get() else {
        let (doing, done, total) = world.doing.now();
        return Ok(Json(
            json!({ "ready": false, "doing": doing, "done": done, "total": total }),
        ));
    };
    let atlas = match made {
        Ok(atlas) => atlas,
        Err(why) => return Ok(Json(json!({ "ready": true, "failed": why }))),
    };
    let (latents, holes) = (&atlas.latents, atlas.holes.as_ref());
    let outliers = atlas.outliers.iter().map(|(number, score)| {
        json!({ "number": number, "name": world.items.title(*number), "score": score, "class": world.items.class(*number) })
    });
    Ok(Json(json!({
        "ready": true,
        "method": match atlas.method { MapMethod::Codes => "codes", MapMethod::Pca => "pca", MapMethod::Tsne => "tsne" },
        "count": atlas.points.len(),
        "numbers": (atlas.numbers.len() != world.items.count()).then_some(&atlas.numbers),
        "classes": world.items.dataset.classes(),
        "latents": {
            "order": latents.order(), "mean": latents.mean, "deviation": latents.deviation, "kl": latents.kl,
        },
        "outliers": outliers.collect::<Vec<_>>(),
        "holes": holes.map(|holes| json!({ "share": holes.share, "points": holes.points, "codes": rows(&holes.codes, holes.points.len()) })),
    })))
}

fn rows(values: &[f32], count: usize) -> Vec<&[f32]> {
    match count {
        0 => Vec::new(),
        _ => values.chunks(values.len() / count).collect(),
    }
}

async fn points(State(world): Shared) -> Answer<Response> {
    let points = world.atlas()?.points.as_flattened();
    let bytes: Vec<u8> = points
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

/// The class of each point in two bytes, -1 where it is not known.
async fn labels(State(world): Shared) -> Answer<Response> {
    let atlas = world.atlas()?;
    let label = |number: &usize| world.items.class(*number).map_or(-1, |class| class as i16);
    let bytes: Vec<u8> = atlas
        .numbers
        .iter()
        .flat_map(|number| label(number).to_le_bytes())
        .collect();
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    numbers: String,
}

async fn examples(
    State(world): Shared,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Answer<Json<Value>> {
    let Query(wanted) = wanted.map_err(|error| Refusal::bad(error.body_text()))?;
    let numbers: Result<Vec<usize>, _> = wanted.numbers.split(',').map(str::parse).collect();
    let numbers =
        numbers.map_err(|_| Refusal::bad("numbers must be whole numbers, separated by commas"))?;
    if numbers.len() > MANY {
        return Err(Refusal::bad(format!(
            "at most {MANY} examples can be asked for at a time"
        )));
    }
    for number in &numbers {
        world.items.index(*number)?;
    }
    let shared = Arc::clone(&world);
    let shown = world
        .quick
        .ask(move |model| originals(model, &shared.items, &numbers))
        .await?;
    Ok(Json(json!({ "examples": shown })))
}

fn originals(model: &Trained, items: &Items, numbers: &[usize]) -> Answer<Vec<Shown>> {
    let examples = items.examples(model, numbers)?;
    let mut values = Vec::new();
    for batch in model.reconstruct(&examples) {
        values.extend(batch?.target);
    }
    Ok(Shown::all(model, &values))
}

async fn item(
    State(world): Shared,
    number: Result<Path<usize>, PathRejection>,
) -> Answer<Json<Value>> {
    let Path(number) = number.map_err(|_| Refusal::bad("an example has a whole number"))?;
    world.items.index(number)?;
    let shared = Arc::clone(&world);
    let mut found = world
        .quick
        .ask(move |model| {
            let examples = shared.items.examples(model, &[number])?;
            looked_at(model, &shared, &examples)
        })
        .await?;
    let Some(mut found) = found.pop() else {
        return Err(Refusal::of(
            StatusCode::NOT_FOUND,
            "there is no such example",
        ));
    };
    found["number"] = number.into();
    found["name"] = world.items.title(number).into();
    found["class"] = json!(world.items.class(number));
    Ok(Json(found))
}

/// Each example with its code, its reconstruction, and where it is among the others.
fn looked_at(
    model: &Trained,
    world: &World,
    examples: &vae_variants::Examples<'_>,
) -> Answer<Vec<Value>> {
    let mut codes = vae_variants::Codes::default();
    for batch in model.encode(examples) {
        codes.extend(batch?);
    }
    let batches: Result<Vec<_>, _> = model.reconstruct(examples).collect();
    let both = vae_variants::Reconstructions::joined(batches?);
    let conditions: Result<Vec<_>, _> = model.conditions_of(examples).collect();
    let conditions: Vec<Condition> = conditions?.concat();
    let (latent, width, data) = (model.latent(), model.data().row_width(), model.data());
    let errors = both.errors(data);
    let originals = Shown::all(model, &both.target);
    let reconstructed = Shown::all(model, &both.reconstructed);
    let atlas = world.atlas.get().and_then(|made| made.as_ref().ok());
    let each = originals.into_iter().zip(reconstructed).enumerate();
    each.map(|(row, (original, reconstructed))| {
        let code = &codes.mean[row * latent..(row + 1) * latent];
        let log_variance = codes
            .log_variance
            .as_ref()
            .map(|all| &all[row * latent..(row + 1) * latent]);
        let of_row = &errors[row * width..(row + 1) * width];
        let (map, largest) = error_map(data, of_row);
        let mut found = json!({
            "code": code,
            "log_variance": log_variance,
            "original": original,
            "reconstructed": reconstructed,
            "errors": map,
            "largest_error": largest,
            "error": vae_variants::mean_error(of_row),
            "under": conditions.get(row).and_then(Condition::class),
        });
        if let Some(atlas) = atlas {
            found["point"] = json!(atlas.project(code)?.first());
            found["spread"] = json!(log_variance.and_then(|of| atlas.spread(of)));
            let near = atlas.near(code, NEIGHBOURS + 1)?;
            let near = near.iter().map(|(number, distance)| {
                json!({
                    "number": number,
                    "name": world.items.title(*number),
                    "class": world.items.class(*number),
                    "distance": distance,
                })
            });
            found["neighbours"] = near.collect();
        }
        Ok(found)
    })
    .collect()
}

/// A request in JSON, or what is wrong with it.
fn parsed<T>(request: Result<Json<T>, JsonRejection>) -> Answer<T> {
    match request {
        Ok(Json(request)) => Ok(request),
        Err(error) => Err(Refusal::of(error.status(), error.body_text())),
    }
}

/// The condition of a class; nothing for a model without.
fn condition(model: &Trained, class: Option<usize>) -> Answer<Option<Condition>> {
    let all = model.conditions();
    match (class, all.len()) {
        (_, 0) => Ok(None),
        (None, _) => Ok(all.into_iter().next()),
        (Some(class), count) => {
            let none = || {
                Refusal::bad(format!(
                    "there is no class {class}: they are counted from 0 to {}",
                    count - 1
                ))
            };
            all.into_iter().nth(class).map(Some).ok_or_else(none)
        }
    }
}

fn check(code: &[f32], latent: usize) -> Answer<()> {
    if code.len() != latent {
        return Err(Refusal::bad(format!(
            "a code has {latent} numbers, and not {}",
            code.len()
        )));
    }
    match code
        .iter()
        .find(|value| value.is_nan() || value.abs() > FAR)
    {
        Some(bad) => Err(Refusal::bad(format!(
            "a code has the number {bad}: they must be from -1e6 to 1e6"
        ))),
        None => Ok(()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decode {
    /// Codes,
    #[serde(default)]
    codes: Vec<Vec<f32>>,
    /// or places of the map.
    #[serde(default)]
    at: Vec<[f32; 2]>,
    class: Option<usize>,
}

async fn decode(
    State(world): Shared,
    request: Result<Json<Decode>, JsonRejection>,
) -> Answer<Json<Value>> {
    let Decode {
        mut codes,
        at,
        class,
    } = parsed(request)?;
    if codes.len() + at.len() > MANY || codes.len() + at.len() == 0 {
        return Err(Refusal::bad(format!(
            "from 1 to {MANY} codes can be decoded at a time"
        )));
    }
    for place in at {
        check(&place, 2)?;
        codes.push(world.atlas()?.code_at(place)?);
    }
    let shared = Arc::clone(&world);
    let answer = world.quick.ask(move |model| {
        codes
            .iter()
            .try_for_each(|code| check(code, model.latent()))?;
        let condition = condition(model, class)?;
        let values = model.decode(&codes.concat(), condition.as_ref());
        let atlas = shared.atlas.get().and_then(|made| made.as_ref().ok());
        let points = atlas
            .map(|atlas| atlas.project(&codes.concat()))
            .transpose()?;
        Ok(json!({ "codes": codes, "examples": Shown::all(model, &values), "points": points }))
    });
    Ok(Json(answer.await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    count: usize,
    seed: u64,
    class: Option<usize>,
    temperature: Option<f64>,
}

async fn sample(
    State(world): Shared,
    request: Result<Json<Sample>, JsonRejection>,
) -> Answer<Json<Value>> {
    let Sample {
        count,
        seed,
        class,
        temperature,
    } = parsed(request)?;
    let temperature = temperature.unwrap_or(1.0);
    if !(1..=MANY).contains(&count) {
        return Err(Refusal::bad(format!(
            "from 1 to {MANY} examples can be drawn at a time"
        )));
    }
    if !(0.0..=10.0).contains(&temperature) {
        return Err(Refusal::bad("the temperature must be from 0 to 10"));
    }
    let answer = world.quick.ask(move |model| {
        let how = Sampling {
            temperature,
            ..model.sampling(seed)
        };
        let codes = model.sample_codes(count, &how)?;
        let condition = condition(model, class)?;
        let values = model.decode_each(&codes, condition.as_slice(), &how);
        Ok(json!({ "codes": rows(&codes, count), "examples": Shown::all(model, &values) }))
    });
    Ok(Json(answer.await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Walk {
    from: Vec<f32>,
    to: Vec<f32>,
    steps: usize,
    class: Option<usize>,
    #[serde(default)]
    spherical: bool,
}

async fn walk(
    State(world): Shared,
    request: Result<Json<Walk>, JsonRejection>,
) -> Answer<Json<Value>> {
    let Walk {
        from,
        to,
        steps,
        class,
        spherical,
    } = parsed(request)?;
    if !(2..=MANY).contains(&steps) {
        return Err(Refusal::bad(format!("a walk has from 2 to {MANY} steps")));
    }
    let answer = world.quick.ask(move |model| {
        [&from, &to]
            .into_iter()
            .try_for_each(|code| check(code, model.latent()))?;
        let condition = condition(model, class)?;
        let spot = |code| Spot {
            code,
            condition: condition.clone(),
        };
        let (from, to) = (spot(from), spot(to));
        let course = match spherical {
            true => Course::Spherical,
            false => Course::Linear,
        };
        let last = (steps - 1) as f64;
        let spots: Vec<Spot> = (0..steps)
            .map(|step| from.between(&to, step as f64 / last, course))
            .collect();
        let values = model.decode_spots(&spots);
        let codes: Vec<&Vec<f32>> = spots.iter().map(|spot| &spot.code).collect();
        Ok(json!({ "codes": codes, "examples": Shown::all(model, &values) }))
    });
    Ok(Json(answer.await?))
}

async fn dropped(
    State(world): Shared,
    bytes: Result<Bytes, BytesRejection>,
) -> Answer<Json<Value>> {
    let bytes = bytes.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_long(DROP),
        status => Refusal::of(status, error.body_text()),
    })?;
    let shared = Arc::clone(&world);
    let answer = world.slow.ask(move |model| {
        let dataset = upload::read(model, &shared.items.config, &bytes)?;
        let count = dataset.len() as u32;
        let examples = model.examples_at(dataset, (0..count).collect())?;
        Ok(json!({ "examples": looked_at(model, &shared, &examples)? }))
    });
    Ok(Json(answer.await?))
}
