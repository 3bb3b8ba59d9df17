using OrleansPd.Gateway.Management;
using OrleansPd.Gateway.Telemetry;

namespace OrleansPd.Gateway.Observing;

/// <summary>
/// <c>GET /debug/requests</c> and <c>/debug/requests/{id}</c>: the decisions about a request, and their reasons.
/// </summary>
internal sealed class DebugEndpoints(RequestLog log, AdminAuthentication gate, TimeProvider clock) : IEndpoints
{
    private const int MaxListed = 100;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/debug/requests", gate.Guard(context =>
            Results.Json(log.Recent().Take(MaxListed).Select(View)).ExecuteAsync(context)));
        routes.MapGet("/debug/requests/{id}", gate.Guard(GetAsync));
    }

    private Task GetAsync(HttpContext context)
    {
        var id = (string)context.Request.RouteValues["id"]!;
        return log.Find(id) is { } record
            ? Results.Json(View(record)).ExecuteAsync(context)
            : ErrorResponse.WriteAsync(context, new AnswerError(
                404, "request_not_found", $"The request '{id}' is not among the last ones kept."));
    }

    private object View(RequestRecord record) => new
    {
        id = record.Id,
        route = record.Route,
        ended_at = record.EndedAt,
        calls = record.Calls.Select(call => new
        {
            reason = call.Reason,
            events = call.Events,
            resumed = call.Resumed,
            duration_ms = Between(call.StartedAt, call.EndedAt),
            refusal = call.Refusal?.Message,
            attempts = call.Attempts.Select(a => View(call, a)),
        }),
    };

    private object View(DispatchReport call, AttemptReport attempt) => new
    {
        number = attempt.Number,
        prefill = attempt.Lease.Prefill?.Id.Value,
        prefill_rank = attempt.Lease.PrefillRank,
        prefill_epoch = attempt.Lease.Prefill?.Epoch,
        decode = attempt.Lease.Decode.Id.Value,
        decode_rank = attempt.Lease.DecodeRank,
        decode_epoch = attempt.Lease.Decode.Epoch,
        // As text: a JavaScript number cannot hold 63 bits.
        rooms = attempt.Lease.Rooms.ToArray().Select(room => room.ToString(System.Globalization.CultureInfo.InvariantCulture)),
        rids = attempt.Rids,
        why = attempt.Lease.Why,
        choice = View(attempt.Lease.RouteExplanation),
        reason = attempt.Verdict?.Reason,
        message = attempt.Verdict is { IsSuccess: false } verdict ? verdict.Message : null,
        blame = attempt.Verdict is { } judged ? WireName.Of(judged.Blame) : null,
        sent_after_ms = Between(call.StartedAt, attempt.SentAt),
        first_output_ms = Between(attempt.SentAt, attempt.FirstOutputAt),
        prefill_ms = Between(attempt.SentAt, attempt.PrefillEndedAt),
        decode_ms = Between(attempt.SentAt, attempt.DecodeEndedAt),
    };

    /// <summary>The numbers behind <c>why</c>; null where nothing was recorded.</summary>
    private static object? View(RouteExplanation why) => why.IsNone ? null : new
    {
        route = WireName.Of(why.Route),
        prefill_policy = why.PrefillPolicy,
        prefill_score = why.PrefillScore,
        prefill_candidates = why.PrefillCandidates,
        decode_policy = why.DecodePolicy,
        decode_score = why.DecodeScore,
        decode_candidates = why.DecodeCandidates,
        uncached_tokens = why.UncachedTokens,
        waited_ms = Math.Round(why.Waited.TotalMilliseconds, 3),
        trial = why.IsHalfOpen,
    };

    private double? Between(long from, long to) =>
        to == 0 ? null : Math.Round(clock.GetElapsedTime(from, to).TotalMilliseconds, 3);
}
