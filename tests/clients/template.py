"""Prints a CloudFormation template as JSON: !Ref as {"Ref": …}, !Sub as {"Fn::Sub": …}.

CloudFormation reads YAML without aliases, so an alias is an error here too.

    template.py <template>
"""

import json
import sys

import yaml


class Template(yaml.SafeLoader):
    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            sys.exit(f"an alias, which CloudFormation refuses{self.peek_event().start_mark}")
        return super().compose_node(parent, index)


def intrinsic(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Template.add_multi_constructor("!", intrinsic)
with open(sys.argv[1], encoding="utf-8") as text:
    print(json.dumps(yaml.load(text, Template)))
