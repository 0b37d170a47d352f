//! A server whose every answer a test writes, and that remembers the questions.

use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;

/// What was asked: the query, and the headers.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
}

/// Status, headers and body.
pub(crate) type Script = (u16, Vec<(&'static str, String)>, String);

type Answers = Arc<Mutex<Box<dyn FnMut(&Asked) -> Script + Send>>>;

#[derive(Clone)]
pub(crate) struct Scripted {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Answers,
}

impl Scripted {
    pub(crate) async fn start(answers: impl FnMut(&Asked) -> Script + Send + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let answers: Answers = Arc::new(Mutex::new(Box::new(answers)));
        let server = Self { url, asked: Arc::default(), answers };
        let app = axum::Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        server
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> Asked {
        self.asked().pop().unwrap()
    }

    pub(crate) fn answers(&self, answers: impl FnMut(&Asked) -> Script + Send + 'static) {
        *self.answers.lock().unwrap() = Box::new(answers);
    }
}

async fn answer(State(server): State<Scripted>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let asked = Asked { query, headers: request.headers().clone() };
    let (status, headers, body) = server.answers.lock().unwrap()(&asked);
    server.asked.lock().unwrap().push(asked);
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(axum::body::Body::from(body)).unwrap().into_response()
}
