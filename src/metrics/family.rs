//! Families of instruments, one for each value of an enum, made and registered in one step.

use std::marker::PhantomData;

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, core::Collector, process_collector::ProcessCollector,
};

use super::label::Label;

/// Instruments in the order of `L::ALL`. One is found by comparing the label with each value, of which there are few;
/// `prometheus` would hash the label's text and take a lock.
#[derive(Debug)]
pub(super) struct Family<L, I> {
    instruments: Vec<I>,
    label: PhantomData<L>,
}

pub(super) type Counters<L> = Family<L, IntCounter>;
pub(super) type Gauges<L> = Family<L, IntGauge>;
pub(super) type Histograms<L> = Family<L, Histogram>;

impl<L: Label + PartialEq, I> Family<L, I> {
    fn new(make: impl FnMut(&L) -> I) -> Self {
        Self { instruments: L::ALL.iter().map(make).collect(), label: PhantomData }
    }

    /// The instrument of this value.
    #[expect(clippy::expect_used, reason = "ALL is made of every variant by the macro that makes the enum")]
    pub(super) fn of(&self, label: L) -> &I {
        let index = L::ALL.iter().position(|l| *l == label).expect("ALL has every variant");
        &self.instruments[index]
    }
}

/// Where instruments are made; each is registered at once.
#[derive(Debug)]
pub(super) struct Instruments(Registry);

#[expect(
    clippy::expect_used,
    reason = "names and labels are constants of this module; its tests make every instrument"
)]
impl Instruments {
    pub(super) fn new() -> Self {
        let instruments = Self(Registry::new());
        instruments.register(ProcessCollector::for_self());
        instruments
    }

    fn register<C: Collector + 'static>(&self, collector: C) {
        self.0.register(Box::new(collector)).expect("no name is registered twice");
    }

    pub(super) fn counters<L: Label + PartialEq>(&self, name: &str, help: &str, label: &str) -> Counters<L> {
        let family = IntCounterVec::new(Opts::new(name, help), &[label]).expect("a valid name");
        self.register(family.clone());
        Family::new(|l: &L| family.with_label_values(&[l.as_str()]))
    }

    pub(super) fn gauges<L: Label + PartialEq>(&self, name: &str, help: &str, label: &str) -> Gauges<L> {
        let family = self.gauge_vec(name, help, &[label]);
        Family::new(|l: &L| family.with_label_values(&[l.as_str()]))
    }

    pub(super) fn histograms<L: Label + PartialEq>(
        &self,
        name: &str,
        help: &str,
        label: &str,
        buckets: &[f64],
    ) -> Histograms<L> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let family = HistogramVec::new(options, &[label]).expect("a valid name");
        self.register(family.clone());
        Family::new(|l: &L| family.with_label_values(&[l.as_str()]))
    }

    pub(super) fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let histogram = Histogram::with_opts(options).expect("a valid name");
        self.register(histogram.clone());
        histogram
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        let counter = IntCounter::new(name, help).expect("a valid name");
        self.register(counter.clone());
        counter
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        let gauge = IntGauge::new(name, help).expect("a valid name");
        self.register(gauge.clone());
        gauge
    }

    pub(super) fn gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        let family = IntGaugeVec::new(Opts::new(name, help), labels).expect("a valid name");
        self.register(family.clone());
        family
    }

    pub(super) fn pairs<A: Label, B: Label>(&self, name: &str, help: &str, labels: [&str; 2]) -> IntCounterVec {
        let family = IntCounterVec::new(Opts::new(name, help), &labels).expect("a valid name");
        self.register(family.clone());
        for a in A::ALL {
            for b in B::ALL {
                family.with_label_values(&[a.as_str(), b.as_str()]);
            }
        }
        family
    }

    pub(super) fn triples<A: Label, B: Label, C: Label>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; 3],
    ) -> IntCounterVec {
        let family = IntCounterVec::new(Opts::new(name, help), &labels).expect("a valid name");
        self.register(family.clone());
        for a in A::ALL {
            for b in B::ALL {
                for c in C::ALL {
                    family.with_label_values(&[a.as_str(), b.as_str(), c.as_str()]);
                }
            }
        }
        family
    }

    pub(super) fn build_info(&self, version: &str) {
        self.gauge_vec("grantd_build_info", "Always 1; the labels name the build.", &["version"])
            .with_label_values(&[version])
            .set(1);
    }

    pub(super) fn render(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.0.gather(), &mut text).expect("writing to memory does not fail");
        String::from_utf8(text).expect("the text format is UTF-8")
    }
}
