/** The alarms of docs/operations.md that CloudWatch can make of metrics. */

import { Duration } from "aws-cdk-lib";
import { Alarm, ComparisonOperator, type IAlarmAction, Metric, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { type IFunction } from "aws-cdk-lib/aws-lambda";
import { type Construct } from "constructs";

/** Whom the alarms tell, and when. */
export interface AlarmSettings {
  /**
   * What an alarm does, for example `new SnsAction(topic)`.
   *
   * @default - nothing: it can be seen in CloudWatch
   */
  readonly actions?: IAlarmAction[];

  /**
   * For how many minutes in a row there must be faults.
   *
   * @default 3
   */
  readonly faultMinutes?: number;

  /**
   * How many JWTs with a wrong signature, and how many with a refused algorithm, are not worth an alarm in five minutes.
   *
   * @default 20
   */
  readonly forgeries?: number;

  /**
   * How many requests with a header that only the authorizer may send are not worth an alarm in five minutes. They are
   * counted for all of the account's authorizers in this region together.
   *
   * @default 20
   */
  readonly smuggledHeaders?: number;

  /**
   * How many calls that found no free instance of the function are not worth an alarm in a minute.
   *
   * @default 0
   */
  readonly throttles?: number;
}

export function alarms(
  scope: Construct,
  name: string,
  stageName: string,
  authorizer: IFunction,
  settings: AlarmSettings,
): Alarm[] {
  const rule = (
    id: string,
    metric: string,
    dimensionsMap: Record<string, string>,
    what: { more: number; minutes: number; period?: number; namespace?: string; means: string },
  ) => {
    const alarm = new Alarm(scope, id, {
      alarmName: `${name}-${id.replace(/(?<=[a-z])[A-Z]/g, (letter) => `-${letter}`).toLowerCase()}`,
      alarmDescription: what.means,
      metric: new Metric({
        namespace: what.namespace ?? "VaultAuthorizer",
        metricName: metric,
        dimensionsMap,
        statistic: "Sum",
        period: Duration.minutes(what.period ?? 1),
      }),
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      threshold: what.more,
      evaluationPeriods: what.minutes / (what.period ?? 1),
      // Without calls there are no metrics.
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(...(settings.actions ?? []));
    return alarm;
  };
  const { faultMinutes = 3, forgeries = 20, smuggledHeaders = 20, throttles = 0 } = settings;
  const Stage = stageName;
  return [
    rule(
      "Faults",
      "Faults",
      { Stage },
      {
        more: 0,
        minutes: faultMinutes,
        means: "Callers who may call cannot: the code in the authorizer's log says why",
      },
    ),
    rule(
      "VaultAnswerInvalid",
      "Faults",
      { Stage, Code: "vault_answer_invalid" },
      {
        more: 0,
        minutes: 1,
        means: "Vault's answer was not the wrapped token that was ordered: a token may have been minted in clear",
      },
    ),
    ...["signature_invalid", "algorithm_refused"].map((Code) =>
      rule(
        Code === "signature_invalid" ? "SignatureInvalid" : "AlgorithmRefused",
        "Denied",
        { Stage, Code },
        {
          more: forgeries,
          minutes: 5,
          period: 5,
          means: "Somebody sends forged JWTs",
        },
      ),
    ),
    // Refused before the stage is looked up, so that no caller can make up metrics.
    rule(
      "HeaderReserved",
      "Denied",
      { Stage: "unknown", Code: "header_reserved" },
      {
        more: smuggledHeaders,
        minutes: 5,
        period: 5,
        means: "Somebody sends headers that only the authorizer may send",
      },
    ),
    rule(
      "Throttles",
      "Throttles",
      { FunctionName: authorizer.functionName },
      {
        more: throttles,
        minutes: 1,
        namespace: "AWS/Lambda",
        means: "Callers beyond the reserved concurrency get 503; or Vault hangs",
      },
    ),
  ];
}
