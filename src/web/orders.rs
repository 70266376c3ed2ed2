//! What the operator may do to a run: taken in like any delivery, and worked on later.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Redirect;

use super::problem::Problem;
use super::registry_hook::Receipt;
use super::viewer::Viewer;
use super::{App, Path};
use crate::delivery;
use crate::model::{Order, RunId};
use crate::store::{Run, Taken};

type Reply = Result<(StatusCode, Json<Receipt>), Problem>;

/// `POST /api/v1/runs/{id}/rerun`: a new run on the same digest.
pub(super) async fn rerun(State(app): State<App>, viewer: Viewer, Path(id): Path<String>) -> Reply {
    order_rerun(&app, &viewer, &id).await
}

/// `POST /api/v1/runs/{id}/cancel`: stops a run.
pub(super) async fn cancel(State(app): State<App>, viewer: Viewer, Path(id): Path<String>) -> Reply {
    order_cancel(&app, &viewer, &id).await
}

/// `POST /runs/{id}/rerun`: the button on the run's page, which comes back to where what happens is seen.
pub(super) async fn rerun_button(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Redirect, Problem> {
    order_rerun(&app, &viewer, &id).await.map(drop)?;
    Ok(Redirect::to("/"))
}

/// `POST /runs/{id}/cancel`
pub(super) async fn cancel_button(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Redirect, Problem> {
    order_cancel(&app, &viewer, &id).await.map(drop)?;
    Ok(Redirect::to(&format!("/runs/{id}")))
}

async fn order_rerun(app: &App, viewer: &Viewer, id: &str) -> Reply {
    let run = operators_run(app, viewer, id).await?;
    if run.verdict.is_none() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "the run is not finished: wait for its verdict, or cancel it first",
        ));
    }
    take(app, Order::Rerun { run: run.id }).await
}

async fn order_cancel(app: &App, viewer: &Viewer, id: &str) -> Reply {
    let run = operators_run(app, viewer, id).await?;
    if run.verdict.is_some() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "the run is finished: its verdict stands",
        ));
    }
    take(app, Order::Cancel { run: run.id }).await
}

async fn operators_run(app: &App, viewer: &Viewer, id: &str) -> Result<Run, Problem> {
    viewer.orders()?;
    let id: RunId = id.parse().map_err(|_| Problem::not_found())?;
    app.store.run(id).await?.ok_or_else(Problem::not_found)
}

async fn take(app: &App, order: Order) -> Reply {
    let delivery = delivery::of_operator(order);
    let receipt = Receipt {
        delivery: delivery.id,
        decision: delivery.decision,
        reason: delivery.reason.clone(),
        images: Vec::new(),
    };
    match app.intake.take(delivery).await {
        Taken::Stored | Taken::Duplicate(_) => Ok((StatusCode::ACCEPTED, Json(receipt))),
        Taken::Flooded => Err(Problem::flooded()),
        Taken::Refused => Err(Problem::unavailable()),
    }
}
