//! What the operator may do to a run, or to the wait for one: taken in like any delivery, and worked on later.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Redirect;

use super::problem::Problem;
use super::registry_hook::Receipt;
use super::viewer::{Seen, Viewer, visible};
use super::{App, Path};
use crate::delivery;
use crate::model::{Order, RunId};
use crate::store::Taken;

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
    let (run, is_over) = operators(app, viewer, id).await?;
    if !is_over {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "the run is not finished: wait for its verdict, or cancel it first",
        ));
    }
    take(app, Order::Rerun { run }).await
}

async fn order_cancel(app: &App, viewer: &Viewer, id: &str) -> Reply {
    let (run, is_over) = operators(app, viewer, id).await?;
    if is_over {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "the run is finished: its verdict stands",
        ));
    }
    take(app, Order::Cancel { run }).await
}

/// The run, or the wait for its image, that the operator names; and whether it is over.
async fn operators(app: &App, viewer: &Viewer, id: &str) -> Result<(RunId, bool), Problem> {
    viewer.orders()?;
    Ok(match visible(app, viewer, id).await? {
        Seen::Run(run) => (run.id, run.verdict.is_some()),
        Seen::Expected(expected) => (expected.id, expected.end.is_some()),
    })
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
