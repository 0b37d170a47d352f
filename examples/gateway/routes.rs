//! The route table: which service answers a request.

use std::convert::Infallible;
use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt as _};
use tower_bearer::{Forwarding, Policy, Protected, ResourceServer, ScopeError, any_token};

use crate::body::Body;
use crate::config::{self, Config, Require};
use crate::metrics::{Metrics, RouteMetrics};
use crate::path::RequestPath;
use crate::proxy::Proxy;
use crate::values::{Prefix, Scope};

#[derive(Debug)]
pub(crate) struct Routes {
    /// Longest prefix first.
    routes: Vec<Route>,
}

#[derive(Debug)]
pub(crate) struct Route {
    prefix: Prefix,
    /// None for all of them.
    methods: Option<Vec<Method>>,
    service: Service,
    metrics: Arc<RouteMetrics>,
    shown: Value,
}

#[derive(Clone, Debug)]
enum Service {
    Protected(Protected<Forwarding<Proxy>>),
    Public(Forwarding<Proxy>),
}

/// Why no route answers.
#[derive(Debug)]
pub(crate) enum Miss {
    /// The upstream may see a longer route's path in it than we do.
    Ambiguous,
    NotFound,
    /// Here are the methods that are.
    MethodNotAllowed(HeaderValue),
}

impl Routes {
    pub(crate) fn new(config: &Config, api: &ResourceServer, metrics: &Metrics) -> Result<Self, ScopeError> {
        let forwarding = config.forward.to_layer().layer(Proxy::new(config.upstream.0.clone()));
        let route = |route| Route::new(route, api, &forwarding, metrics);
        let mut routes = config.routes().map(route).collect::<Result<Vec<_>, _>>()?;
        routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.path.len()));
        Ok(Self { routes })
    }

    pub(crate) fn find(&self, path: &RequestPath, method: &Method) -> Result<&Route, Miss> {
        let mut matching = self.routes.iter().filter(|route| path.is_under(&route.prefix.path));
        let longest = matching.next().ok_or(Miss::NotFound)?;
        let may_be_longer = |route: &Route| {
            route.prefix.path.len() > longest.prefix.path.len() && path.may_be_under(&route.prefix.path)
        };
        if self.routes.iter().any(may_be_longer) {
            return Err(Miss::Ambiguous);
        }
        let same = || self.routes.iter().filter(|route| route.prefix == longest.prefix);
        same().find(|route| route.allows(method)).ok_or_else(|| Miss::MethodNotAllowed(allowed(same())))
    }

    /// For the status page.
    pub(crate) fn shown(&self) -> Value {
        self.routes.iter().map(|route| route.shown.clone()).collect()
    }
}

impl Route {
    fn new(
        route: &config::Route,
        api: &ResourceServer,
        inner: &Forwarding<Proxy>,
        metrics: &Metrics,
    ) -> Result<Self, ScopeError> {
        let service = match &route.require {
            Some(require) => {
                let policy = policy(require)?;
                let policy = match route.when_stale {
                    Some(choice) => policy.when_stale(choice.into()),
                    None => policy,
                };
                Service::Protected(api.protect(policy).layer(inner.clone()))
            }
            None => Service::Public(inner.clone()),
        };
        let methods = route.methods.as_ref();
        let methods = methods.map(|methods| methods.iter().map(|method| method.0.clone()).collect());
        let (prefix, metrics) = (route.prefix.clone(), metrics.of(&route.prefix.text));
        Ok(Self { prefix, methods, service, metrics, shown: shown(route) })
    }

    fn allows(&self, method: &Method) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.contains(method))
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let counting = self.metrics.begin();
        let response = match self.service.clone() {
            Service::Protected(service) => service.oneshot(request).await,
            Service::Public(service) => service.oneshot(request).await,
        };
        response.inspect(|response| counting.end(response))
    }
}

fn allowed<'a>(routes: impl Iterator<Item = &'a Route>) -> HeaderValue {
    let methods: Vec<_> = routes.flat_map(|route| &route.methods).flatten().map(Method::as_str).collect();
    HeaderValue::try_from(methods.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn policy(require: &Require) -> Result<Policy, ScopeError> {
    match require {
        Require::All(scopes) => Policy::try_all_of(scopes.iter().map(|scope| scope.0.as_str())),
        Require::Any(scopes) => Policy::try_any_of(scopes.iter().map(|scope| scope.0.as_str())),
        Require::AnyToken => Ok(any_token()),
    }
}

fn shown(route: &config::Route) -> Value {
    let words = |scopes: &[Scope]| scopes.iter().map(|scope| scope.0.as_str().to_owned()).collect::<Vec<_>>();
    let require = route.require.as_ref().map(|require| match require {
        Require::All(scopes) => json!({ "all": words(scopes) }),
        Require::Any(scopes) => json!({ "any": words(scopes) }),
        Require::AnyToken => json!({ "none": true }),
    });
    let methods = route.methods.as_ref();
    let methods = methods.map(|methods| methods.iter().map(|method| method.0.as_str()).collect::<Vec<_>>());
    json!({
        "path": route.prefix.text,
        "methods": methods,
        "public": require.is_none(),
        "require": require,
        "when_stale": route.when_stale,
    })
}
