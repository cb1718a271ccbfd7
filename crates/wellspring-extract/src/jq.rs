//! `transform`: a jq program, all items in, a list out.
//!
//! The language is jaq's. What reads the machine is ours: the environment is empty and `now` is the refresh's own time, so the same
//! items give the same list. Nothing is printed, nothing else is read, no module is loaded. A program may run away: whoever runs it must
//! be able to end it.

use jaq_core::compile::Undefined;
use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Compiler, Ctx, DataT, Filter, Lut, Vars, data};
use jaq_json::{Map, Num, Val};
use serde_json::Value;
use wellspring_core::source::At;

use crate::Context;
use crate::error::{ExtractError, RuleError, shown};
use functions::Patterns;

mod functions;
mod pattern;
mod time;
mod value;

/// Variables that every program has, in the order of their values.
const VARIABLES: [&str; 3] = ["$values", "$now", "$ENV"];

/// Definitions beside jaq's own.
const DEFINITIONS: &str = "
    def now: $now;
    def env: $ENV;
    def date: todate;
    def dateadd(u; n): . + n;
    def datesub(u; n): . - n;
    def toarray: if isarray then . else [.] end;
    def localtime: gmtime;
    def strflocaltime($format): strftime($format);
    def @csv: [.[] | if isstring then \"\\\"\\(gsub(\"\\\"\"; \"\\\"\\\"\"))\\\"\" elif . == null then \"\" else tostring end] | join(\",\");
    def @tsv: [.[] | if . == null then \"\" else tostring end] | join(\"\\t\");
";

/// Definitions of jaq's that stand on functions that are not here.
const LEFT_OUT: [&str; 9] = ["halt", "halt_error", "logb", "significand", "drem", "nexttoward", "scalb", "gamma", "stderr"];

/// The longest program, in bytes: each of them may take another frame of the parser's stack.
const LONGEST: usize = 16 << 10;

/// How much of the program's own words on a failure is shown: they quote values.
const SHOWN: usize = 200;

/// A jq program, ready to be run.
pub(crate) struct Transform {
    program: Filter<Program>,
}

/// What a program works on.
struct Program;

/// What functions see beside their arguments.
#[derive(Clone, Copy)]
struct Data<'a> {
    lut: &'a Lut<Program>,
    patterns: &'a Patterns,
}

impl DataT for Program {
    type V<'a> = Val;
    type Data<'a> = Data<'a>;
}

impl<'a> data::HasLut<'a, Program> for Data<'a> {
    fn lut(&self) -> &'a Lut<Program> {
        self.lut
    }
}

impl std::fmt::Debug for Transform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transform")
    }
}

impl Transform {
    pub(crate) fn compile(rule: &At<String>) -> Result<Self, RuleError> {
        if rule.value.len() > LONGEST {
            return Err(RuleError::at(rule, format!("a transform has {} KiB at most", LONGEST >> 10)));
        }
        let own = load::parse(DEFINITIONS, |parser| parser.defs()).unwrap_or_default();
        let shipped = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let definitions = shipped.filter(|definition| !LEFT_OUT.contains(&definition.name)).chain(own);
        let arena = Arena::default();
        let file = File { code: rule.value.as_str(), path: () };
        let modules = Loader::new(definitions).load(&arena, file).map_err(|errors| unreadable(rule, &errors))?;
        let compiler = Compiler::default().with_funs(functions::all()).with_global_vars(VARIABLES);
        let program = compiler.compile(modules).map_err(|errors| undefined(rule, &errors))?;
        Ok(Self { program })
    }

    /// Runs the program.
    ///
    /// # Errors
    /// [`ExtractError::Transform`] where it fails or gives anything but one list, [`ExtractError::TooMuch`] where it gives too much.
    pub(crate) fn run(&self, items: &[Value], context: &Context<'_>) -> Result<Vec<Value>, ExtractError> {
        let patterns = Patterns::default();
        let data = Data { lut: &self.program.lut, patterns: &patterns };
        let input: Val = items.iter().map(value::read).collect();
        let outcome = self.program.id.run((Ctx::<Program>::new(data, variables(context)), input));
        let mut outputs = outcome.map(|outcome| outcome.map_err(jaq_core::Exn::get_err));
        let list = match outputs.next() {
            Some(Ok(Val::Arr(list))) => list,
            Some(Ok(other)) => return Err(gave(value::kind(&other))),
            Some(Err(Ok(error))) => return Err(failed(error)),
            Some(Err(Err(_))) => return Err(ExtractError::Transform { reason: "ended itself".to_owned() }),
            None => return Err(gave("nothing")),
        };
        match outputs.next() {
            None => value::write(&list),
            Some(Err(Ok(error))) => Err(failed(error)),
            Some(_) => Err(gave("several values")),
        }
    }
}

fn variables(context: &Context<'_>) -> Vars<Val> {
    let values = context.values.iter().map(|(name, text)| (Val::from(name.clone()), Val::from(text.clone())));
    Vars::new([Val::obj(values.collect()), moment(context.now), Val::obj(Map::default())])
}

/// Seconds since 1970, as jq has it: a whole number where it is one.
fn moment(now: jiff::Timestamp) -> Val {
    if now.subsec_nanosecond() == 0 {
        return Val::Num(Num::from_integral(now.as_second()));
    }
    Val::from(now.as_duration().as_secs_f64())
}

fn gave(what: &str) -> ExtractError {
    let help = if what == "several values" { "; `[ … ]` around the program makes one of them" } else { "" };
    ExtractError::Transform { reason: format!("gave {what} where one list was expected{help}") }
}

fn failed(error: jaq_json::Error) -> ExtractError {
    // A text as it is, without the quotes and escapes that it would have as a value.
    let text = match error.into_val() {
        Val::TStr(text) => String::from_utf8_lossy(&text).into_owned(),
        other => other.to_string(),
    };
    ExtractError::Transform { reason: format!("failed: {}", shown(&text, SHOWN)) }
}

/// What cannot be read of a program, and where.
fn unreadable(rule: &At<String>, errors: &load::Errors<&str, ()>) -> RuleError {
    for (_, error) in errors {
        let first = match error {
            load::Error::Io(modules) => {
                let part = modules.first().map_or(rule.value.as_str(), |(path, _)| path);
                return RuleError::within(rule, place(rule, part), "a transform cannot load modules");
            }
            load::Error::Lex(errors) => errors.first().map(|(expected, rest)| (expected.as_str(), *rest)),
            load::Error::Parse(errors) => errors.first().map(|(expected, found)| (expected.as_str(), *found)),
        };
        let Some((expected, found)) = first else { continue };
        let message = match expected {
            "token" => format!("the jq program cannot be read: nothing can begin{}", at(found)),
            expected => format!("the jq program cannot be read: expected {expected}{}", at(found)),
        };
        return RuleError::within(rule, place(rule, found), message);
    }
    RuleError::at(rule, "the jq program cannot be read")
}

fn at(found: &str) -> String {
    let found = found.lines().next().unwrap_or_default().trim_end();
    match found.chars().count() {
        0 => " at its end".to_owned(),
        1..=20 => format!(" at `{found}`"),
        _ => format!(" at `{}…`", found.chars().take(20).collect::<String>()),
    }
}

/// What a program uses that there is not, and where.
fn undefined(rule: &At<String>, errors: &load::Errors<&str, (), Vec<jaq_core::compile::Error<&str>>>) -> RuleError {
    let Some((name, what)) = errors.iter().flat_map(|(_, errors)| errors).next() else {
        return RuleError::at(rule, "the jq program cannot be compiled");
    };
    let message = match what {
        Undefined::Filter(0) => format!("jq has no `{name}` here"),
        Undefined::Filter(arity) => format!("jq has no `{name}/{arity}` here"),
        other => format!("jq has no {} `{name}` here", other.as_str()),
    };
    let error = RuleError::within(rule, place(rule, name), message);
    match (*name, what) {
        ("input" | "inputs", _) => error.help("the items are the input: `.`"),
        ("halt" | "halt_error", _) => error.help("`error(\"…\")` ends a transform that cannot go on"),
        (_, Undefined::Var) => error.help(format!("beside its own variables a program has {}", VARIABLES[..2].join(" and "))),
        _ => error,
    }
}

/// Where a part of the program stands in it: parts are slices of its text. What stands elsewhere is in no place of its own.
fn place(rule: &At<String>, part: &str) -> std::ops::Range<usize> {
    let whole = rule.value.as_str();
    let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    if start.checked_add(part.len()).is_some_and(|end| end <= whole.len()) && whole.is_char_boundary(start) {
        // What stands at the fault, up to the end of its line.
        let length = part.find('\n').unwrap_or(part.len()).min(part.len());
        return start..start + length;
    }
    0..whole.len()
}
