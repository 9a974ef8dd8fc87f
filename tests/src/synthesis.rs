//! What CloudFormation, Terraform and CDK would create, as data that tests can compare.
//!
//! A template is resolved as CloudFormation does: parameters, conditions, functions. Values that only AWS knows, such
//! as the id of an API, stay as the name of the resource. A Terraform plan is read from `terraform show -json`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{ACCOUNT, REGION};

/// What a deployment makes.
#[derive(Debug, Clone)]
pub struct Made {
    /// Each resource's type, as CloudFormation or Terraform names it, and its properties. What is absent or null is left out.
    pub resources: Vec<(String, Value)>,
    /// The outputs that are known before anything is made.
    pub outputs: BTreeMap<String, Value>,
}

impl Made {
    /// A template with the values of its parameters; those that have defaults may be left out.
    pub fn of_template(template: &Value, stack: &str, parameters: &Value) -> Self {
        let stack = Stack::new(template, stack, parameters);
        let resources = stack.section("Resources").filter(|(_, resource)| stack.is_made(resource));
        let resources = resources.map(|(_, resource)| {
            let kind = resource["Type"].as_str().expect("a resource has a type").to_owned();
            let mut properties = stack.resolve(&resource["Properties"]).unwrap_or(json!({}));
            if let Some(policy) = resource["DeletionPolicy"].as_str() {
                properties["DeletionPolicy"] = json!(policy);
            }
            (kind, properties)
        });
        let outputs = stack.section("Outputs").filter(|(_, output)| stack.is_made(output));
        let outputs = outputs
            .map(|(name, output)| (name.clone(), stack.resolve(&output["Value"]).unwrap_or_default()))
            .collect();
        Self { resources: resources.collect(), outputs }
    }

    /// One module of a root, with the modules below it, from a plan's JSON.
    pub fn of_plan(plan: &Value, module: &str) -> Self {
        let address = format!("module.{module}");
        let modules = plan["planned_values"]["root_module"]["child_modules"].as_array().expect("modules");
        let module = modules.iter().find(|one| one["address"] == json!(address));
        let mut resources = Vec::new();
        collect(module.unwrap_or_else(|| panic!("the plan has no {address}")), &mut resources);
        let outputs = plan["planned_values"]["outputs"].as_object().into_iter().flatten();
        let outputs = outputs.map(|(name, output)| (name.clone(), output["value"].clone())).collect();
        Self { resources, outputs }
    }

    /// The properties of all resources of a type.
    pub fn all<'m>(&'m self, kind: &'m str) -> impl Iterator<Item = &'m Value> {
        self.resources.iter().filter(move |(one, _)| one == kind).map(|(_, properties)| properties)
    }

    /// The properties of the only resource of a type.
    pub fn only<'m>(&'m self, kind: &'m str) -> &'m Value {
        let found: Vec<_> = self.all(kind).collect();
        assert_eq!(found.len(), 1, "{kind}: {found:?}");
        found[0]
    }
}

/// Terraform's plan has null for what is not given, and an empty list for a block that is not there.
fn collect(module: &Value, resources: &mut Vec<(String, Value)>) {
    for resource in module["resources"].as_array().into_iter().flatten() {
        if resource["mode"] == "managed" {
            let kind = resource["type"].as_str().expect("a resource has a type").to_owned();
            resources.push((kind, resource["values"].clone()));
        }
    }
    for child in module["child_modules"].as_array().into_iter().flatten() {
        collect(child, resources);
    }
}

/// The assertions of a template's `Rules` that do not hold for these parameters: CloudFormation refuses them before it makes
/// anything.
pub fn refused_by_rules(template: &Value, parameters: &Value) -> Vec<String> {
    let stack = Stack::new(template, "stack", parameters);
    let rules = stack
        .section("Rules")
        .filter(|(_, rule)| rule.get("RuleCondition").is_none_or(|condition| stack.holds(condition)));
    let assertions = rules.flat_map(|(_, rule)| rule["Assertions"].as_array().expect("a rule asserts"));
    let broken = assertions.filter(|assertion| !stack.holds(&assertion["Assert"]));
    broken.map(|one| one["AssertDescription"].as_str().expect("it says why").to_owned()).collect()
}

struct Stack<'t> {
    template: &'t Value,
    name: &'t str,
    parameters: BTreeMap<String, Value>,
}

impl<'t> Stack<'t> {
    fn new(template: &'t Value, name: &'t str, given: &Value) -> Self {
        let mut stack = Self { template, name, parameters: BTreeMap::new() };
        for name in given.as_object().expect("parameters are an object").keys() {
            assert!(template["Parameters"][name].is_object(), "the template has no parameter {name}");
        }
        let declared: Vec<_> = stack.section("Parameters").collect();
        for (name, parameter) in declared {
            let value = given.get(name).or_else(|| parameter.get("Default"));
            let value = value.unwrap_or_else(|| panic!("the parameter {name} has no value"));
            let value = match parameter["Type"].as_str() {
                Some("CommaDelimitedList") => json!(text(value).split(',').collect::<Vec<_>>()),
                Some("Number") => text(value).parse().expect("a number"),
                _ => value.clone(),
            };
            stack.parameters.insert(name.clone(), value);
        }
        stack
    }

    fn section(&self, name: &str) -> impl Iterator<Item = (&'t String, &'t Value)> + use<'t> {
        self.template[name].as_object().into_iter().flatten()
    }

    fn is_made(&self, part: &Value) -> bool {
        part["Condition"].as_str().is_none_or(|condition| self.condition(condition))
    }

    fn condition(&self, name: &str) -> bool {
        let condition = &self.template["Conditions"][name];
        assert!(condition.is_object(), "the template has no condition {name}");
        self.holds(condition)
    }

    fn holds(&self, condition: &Value) -> bool {
        let (function, argument) =
            function(condition).unwrap_or_else(|| panic!("not a condition: {condition}"));
        let parts = || argument.as_array().expect("a list");
        match function {
            "Condition" => self.condition(argument.as_str().expect("a name")),
            "Fn::Equals" => {
                let [one, other] = [0, 1].map(|part| self.resolve(&parts()[part]).unwrap_or_default());
                text(&one) == text(&other)
            }
            "Fn::Not" => !self.holds(&parts()[0]),
            "Fn::And" => parts().iter().all(|part| self.holds(part)),
            "Fn::Or" => parts().iter().any(|part| self.holds(part)),
            "Fn::EachMemberEquals" => {
                let list = self.resolve(&parts()[0]).expect("a list");
                list.as_array().expect("a list").iter().all(|one| *one == parts()[1])
            }
            other => panic!("{other} is no condition"),
        }
    }

    /// `None` where it is `AWS::NoValue`.
    fn resolve(&self, value: &Value) -> Option<Value> {
        if let Some((name, argument)) = function(value) {
            return self.call(name, argument);
        }
        if let Some(object) = value.as_object() {
            let members =
                object.iter().filter_map(|(name, value)| Some((name.clone(), self.resolve(value)?)));
            return Some(Value::Object(members.collect::<Map<_, _>>()));
        }
        if let Some(list) = value.as_array() {
            return Some(list.iter().filter_map(|one| self.resolve(one)).collect());
        }
        Some(value.clone())
    }

    fn call(&self, function: &str, argument: &Value) -> Option<Value> {
        let parts = || argument.as_array().unwrap_or_else(|| panic!("{function} takes a list: {argument}"));
        let of =
            |part: usize| self.resolve(&parts()[part]).unwrap_or_else(|| panic!("{function}: {argument}"));
        match function {
            "Ref" => self.reference(argument.as_str().expect("a name")),
            "Fn::GetAtt" => Some(json!(self.attribute(&text(&of(0)), &text(&of(1))))),
            "Fn::If" => {
                let branch = if self.condition(&text(&of(0))) { 1 } else { 2 };
                self.resolve(&parts()[branch])
            }
            "Fn::Sub" => {
                let (template, names) = match argument.as_str() {
                    Some(template) => (template.to_owned(), Value::Null),
                    None => (text(&of(0)), of(1)),
                };
                Some(json!(self.substituted(&template, &names)))
            }
            "Fn::Join" => {
                let list: Vec<_> = of(1).as_array().expect("a list").iter().map(text).collect();
                Some(json!(list.join(&text(&of(0)))))
            }
            "Fn::Split" => Some(json!(text(&of(1)).split(&text(&of(0))).collect::<Vec<_>>())),
            "Fn::Select" => {
                let index: usize = text(&of(0)).parse().expect("an index");
                let list = of(1);
                Some(list.get(index).unwrap_or_else(|| panic!("no {index} in {list}")).clone())
            }
            other => panic!("{other} is no function that is known here"),
        }
    }

    fn substituted(&self, template: &str, names: &Value) -> String {
        let mut parts = template.split("${");
        let mut result = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').expect("a name ends");
            let value = match (names.get(name), name.split_once('.')) {
                (Some(value), _) => text(value),
                (None, Some((resource, attribute))) => self.attribute(resource, attribute),
                (None, None) => self.reference(name).map(|value| text(&value)).expect("a value"),
            };
            result += &value;
            result += rest;
        }
        result
    }

    fn reference(&self, name: &str) -> Option<Value> {
        let known = match name {
            "AWS::NoValue" => return None,
            "AWS::AccountId" => ACCOUNT,
            "AWS::Partition" => "aws",
            "AWS::Region" => REGION,
            "AWS::StackName" => self.name,
            "AWS::URLSuffix" => "amazonaws.com",
            _ => "",
        };
        if !known.is_empty() {
            return Some(json!(known));
        }
        if let Some(value) = self.parameters.get(name) {
            return Some(value.clone());
        }
        let resource = self.resource(name);
        let own = |property: &str| self.resolve(&resource["Properties"][property]);
        let named = match resource["Type"].as_str().expect("a type") {
            "AWS::Lambda::Alias" => {
                Some(json!(format!("{}:{}", function_arn(&text(&own("FunctionName")?)), text(&own("Name")?))))
            }
            "AWS::Lambda::Function" => own("FunctionName"),
            "AWS::Logs::LogGroup" => own("LogGroupName"),
            "AWS::IAM::Role" => own("RoleName"),
            _ => None,
        };
        Some(named.filter(|value| !value.is_null()).unwrap_or_else(|| json!(name)))
    }

    fn attribute(&self, name: &str, attribute: &str) -> String {
        let resource = self.resource(name);
        let own = text(&self.reference(name).unwrap_or_default());
        match (resource["Type"].as_str().expect("a type"), attribute) {
            ("AWS::Lambda::Function", "Arn") => function_arn(&own),
            ("AWS::Logs::LogGroup", "Arn") => format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{own}:*"),
            ("AWS::IAM::Role", "Arn") => {
                let path = self.resolve(&resource["Properties"]["Path"]).unwrap_or_default();
                format!("arn:aws:iam::{ACCOUNT}:role{}{own}", path.as_str().unwrap_or("/"))
            }
            _ => format!("{name}.{attribute}"),
        }
    }

    fn resource(&self, name: &str) -> &'t Value {
        let resource = &self.template["Resources"][name];
        assert!(resource.is_object(), "the template has neither a parameter nor a resource {name}");
        assert!(self.is_made(resource), "{name} is not made, and something refers to it");
        resource
    }
}

fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
}

/// The one member of an object that is a call of a function.
fn function(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let (name, argument) = object.iter().next()?;
    let called = name.starts_with("Fn::")
        || name == "Ref"
        // In a policy, `Condition` is an object.
        || name == "Condition" && argument.is_string();
    called.then_some((name.as_str(), argument))
}

/// As CloudFormation compares and joins: numbers and flags by their text.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
