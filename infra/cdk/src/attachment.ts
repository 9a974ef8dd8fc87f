/** Warns at synthesis of an authorizer that no call would meet. */

import { Annotations, type IAspect } from "aws-cdk-lib";
import * as rest from "aws-cdk-lib/aws-apigateway";
import * as http from "aws-cdk-lib/aws-apigatewayv2";
import { type IConstruct } from "constructs";

/** Looks for methods and routes of whichever level, in any stack of the app. */
export class AttachmentCheck implements IAspect {
  constructor(
    private readonly authorizer: IConstruct & { readonly authorizerId: string },
    /** What a REST API's deployment takes in; `undefined` where the API sees to that by itself. */
    private readonly deployed: () => ReadonlySet<IConstruct> | undefined,
  ) {}

  visit(node: IConstruct): void {
    if (node !== this.authorizer) return;
    const warn = (id: string, text: string) => Annotations.of(node).addWarningV2(`vault-authorizer:${id}`, text);
    const users = node.node.root.node.findAll().filter((other) => this.isUser(other));
    if (users.length === 0) {
      warn(
        "unused",
        "no method and no route of this app has this authorizer, so it guards nothing: give it to one as `authorizer`",
      );
    }
    const deployed = this.deployed();
    if (deployed === undefined) return;
    const left = users.filter((user) => !deployed.has(user)).map((user) => user.node.scope?.node.path);
    if (deployed.size > 0 && left.length === 0) return;
    const of = left.length === 0 ? "" : ` It leaves out ${left.join(", ")}.`;
    warn(
      "undeployed",
      `a stage of a REST API serves a snapshot, and no deployment of this app takes this authorizer in.${of} Until there is one, ` +
        "the stage answers as before, openly where it was open. Make a `Deployment` and call `addToDeployment(deployment, " +
        "...methods)`, or deploy the API by other means",
    );
  }

  private isUser(node: IConstruct): boolean {
    const isMethod = node instanceof rest.CfnMethod || node instanceof http.CfnRoute;
    return isMethod && node.authorizerId === this.authorizer.authorizerId;
  }
}
