/** The dashboard that the CloudFormation templates and the Terraform module create as well. */

import { Fn, Stack } from "aws-cdk-lib";
import { CfnDashboard } from "aws-cdk-lib/aws-cloudwatch";
import { type Construct } from "constructs";
import body from "./dashboard.json";

export function dashboard(parent: Construct, functionName: string): void {
  const { region } = Stack.of(parent);
  new CfnDashboard(parent, "Dashboard", {
    // With the region, because a dashboard belongs to the whole account.
    dashboardName: `${functionName}-${region}`,
    dashboardBody: Fn.sub(JSON.stringify(body), { region, function: functionName }),
  });
}
