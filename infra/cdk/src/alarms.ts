/** The alarms of docs/operations.md that CloudWatch can make of metrics and of the function's log. */

import { Duration } from "aws-cdk-lib";
import {
  Alarm,
  ComparisonOperator,
  type IAlarmAction,
  Metric,
  type MetricProps,
  TreatMissingData,
} from "aws-cdk-lib/aws-cloudwatch";
import { FilterPattern, type LogGroup, MetricFilter } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";

/** Above which count each alarm is raised. */
export interface AlarmThresholds {
  /**
   * Faults of a stage in 30 minutes.
   *
   * @default 2
   */
  readonly faults?: number;

  /**
   * Vault's answers to a stage that were not what was ordered, in a minute.
   *
   * @default 0
   */
  readonly vaultAnswerInvalid?: number;

  /**
   * JWTs with a wrong signature that a stage got in 5 minutes.
   *
   * @default 20
   */
  readonly signatureInvalid?: number;

  /**
   * JWTs with a refused algorithm that a stage got in 5 minutes.
   *
   * @default 20
   */
  readonly algorithmRefused?: number;

  /**
   * Requests in 5 minutes with a header that only the authorizer may send. They are counted for all of the account's
   * authorizers in this region together.
   *
   * @default 20
   */
  readonly headerReserved?: number;

  /**
   * Calls in a minute that found no free instance of the function.
   *
   * @default 0
   */
  readonly throttles?: number;

  /**
   * Log lines in 5 minutes of a function that does not start, or ends in the middle of a call.
   *
   * @default 0
   */
  readonly startFailures?: number;

  /**
   * The API's 5xx answers of a stage in 30 minutes. The backend's own count as well: set this above what it answers on a good
   * day.
   *
   * @default 2
   */
  readonly api5xx?: number;
}

/** Whom the alarms tell, and when. */
export interface AlarmSettings {
  /**
   * What an alarm does, for example `new SnsAction(topic)`.
   *
   * @default - nothing: it can be seen in CloudWatch
   */
  readonly actions?: IAlarmAction[];

  /**
   * What an alarm does when it is over.
   *
   * @default - nothing
   */
  readonly okActions?: IAlarmAction[];

  /**
   * Above which count each alarm is raised.
   *
   * @default - see {@link AlarmThresholds}
   */
  readonly thresholds?: AlarmThresholds;

  /**
   * How the alarms on faults, 5xx and throttles treat a period without data, in which nobody called. The others always use
   * `NOT_BREACHING`: they have data only when something is wrong, so `BREACHING` would raise them on a healthy API.
   *
   * @default TreatMissingData.NOT_BREACHING
   */
  readonly treatMissingData?: TreatMissingData;
}

/** What the alarms watch. */
export interface Watched {
  readonly functionName: string;
  readonly logGroup: LogGroup;
  readonly stages: string[];
  /** The metric of the API's 5xx; none where the name of a REST API is not known. */
  readonly api?: { readonly metricName: string; readonly dimensions: Record<string, string> };
}

const DEFAULTS: Required<AlarmThresholds> = {
  faults: 2,
  vaultAnswerInvalid: 0,
  signatureInvalid: 20,
  algorithmRefused: 20,
  headerReserved: 20,
  throttles: 0,
  startFailures: 0,
  api5xx: 2,
};

/** The names of the alarms, as the other ways to deploy have them. */
const NAMES: Record<keyof AlarmThresholds, string> = {
  faults: "faults",
  vaultAnswerInvalid: "vault-answer-invalid",
  signatureInvalid: "signature-invalid",
  algorithmRefused: "algorithm-refused",
  headerReserved: "header-reserved",
  throttles: "throttles",
  startFailures: "start-failures",
  api5xx: "api-5xx",
};

/** The alarms whose metrics have data while all is well. */
const WITH_DATA_WHEN_HEALTHY: (keyof AlarmThresholds)[] = ["faults", "api5xx", "throttles"];

export function alarms(parent: Construct, watched: Watched, settings: AlarmSettings): Alarm[] {
  const scope = new Construct(parent, "Alarms");
  const { functionName, logGroup, stages, api } = watched;
  const alarm = (
    id: keyof AlarmThresholds,
    stage: string | undefined,
    minutes: number,
    metric: Omit<MetricProps, "namespace"> & { namespace?: string },
    means: string,
  ) => {
    const name = [...(stage === undefined ? [] : [stage]), NAMES[id]].join("-");
    const made = new Alarm(scope, name, {
      alarmName: `${functionName}-${name}`,
      alarmDescription: means,
      metric: new Metric({ namespace: NAMESPACE, statistic: "Sum", period: Duration.minutes(minutes), ...metric }),
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      threshold: settings.thresholds?.[id] ?? DEFAULTS[id],
      evaluationPeriods: 1,
      treatMissingData:
        (WITH_DATA_WHEN_HEALTHY.includes(id) ? settings.treatMissingData : undefined) ?? TreatMissingData.NOT_BREACHING,
    });
    made.addAlarmAction(...(settings.actions ?? []));
    made.addOkAction(...(settings.okActions ?? []));
    return made;
  };
  const counted = (metricName: string, Stage: string, Code?: string) => {
    const dimensionsMap: Record<string, string> = Code === undefined ? { Stage } : { Stage, Code };
    return { metricName, dimensionsMap };
  };

  const ofStages = stages.flatMap((stage) => [
    alarm(
      "faults",
      stage,
      30,
      counted("Faults", stage),
      "Callers who may call cannot. The log line's code says what is broken.",
    ),
    alarm(
      "vaultAnswerInvalid",
      stage,
      1,
      counted("Faults", stage, "vault_answer_invalid"),
      "Vault answered a mint in another way than it was asked. A token may have been minted in clear.",
    ),
    alarm(
      "signatureInvalid",
      stage,
      5,
      counted("Denied", stage, "signature_invalid"),
      "Somebody forges JWTs, or an issuer changed its keys.",
    ),
    alarm(
      "algorithmRefused",
      stage,
      5,
      counted("Denied", stage, "algorithm_refused"),
      "Somebody forges JWTs, or an issuer signs with an algorithm that is not configured.",
    ),
    ...(api === undefined
      ? []
      : [
          alarm(
            "api5xx",
            stage,
            30,
            {
              namespace: "AWS/ApiGateway",
              metricName: api.metricName,
              dimensionsMap: { ...api.dimensions, Stage: stage },
            },
            "The API answers 5xx. Without faults or start failures, look at the permission to invoke the function, then at the " +
              "backend.",
          ),
        ]),
  ]);
  return [
    ...ofStages,
    alarm(
      "headerReserved",
      undefined,
      5,
      // Such a request is refused before its stage is looked at.
      counted("Denied", "unknown", "header_reserved"),
      "Callers send X-Vault-… headers, with which they could pass for the authorizer.",
    ),
    alarm(
      "throttles",
      undefined,
      1,
      { namespace: "AWS/Lambda", metricName: "Throttles", dimensionsMap: { FunctionName: functionName } },
      "Callers beyond the reserved concurrency are turned away.",
    ),
    alarm(
      "startFailures",
      undefined,
      5,
      { metricName: startFailures(scope, functionName, logGroup) },
      "The function does not start, or ended in the middle of a call. Its log says why.",
    ),
  ];
}

const NAMESPACE = "VaultAuthorizer";

/**
 * A function that does not start writes none of our metrics. A caller can write nothing that these patterns match: our lines are
 * JSON, begin with `{`, and escape what callers send.
 */
const PATTERNS = {
  StartErrors: '{ $.level = "ERROR" && $.target = "bootstrap" }',
  // Lambda's own lines: the process ended (also without memory), could not be run at all, or did not answer in time. Not
  // `REPORT … Status: error`: a 401 is one.
  RuntimeExits:
    "%^RequestId\\S\\s\\S+\\sError\\S\\s|^INIT_REPORT\\s.*Status\\S\\serror|^INIT_REPORT\\s.*Status\\S\\stimeout|" +
    "^REPORT\\s.*Status\\S\\stimeout%",
};

/** Counts the lines, and answers the metric's name: that of a filter can have no constant dimension. */
function startFailures(scope: Construct, functionName: string, logGroup: LogGroup): string {
  const metricName = `StartFailures-${functionName}`;
  for (const [id, pattern] of Object.entries(PATTERNS)) {
    new MetricFilter(scope, id, {
      logGroup,
      filterPattern: FilterPattern.literal(pattern),
      metricNamespace: NAMESPACE,
      metricName,
      metricValue: "1",
    });
  }
  return metricName;
}
