using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using OrleansPd.Core;
using OrleansPd.Core.Fleet;
using OrleansPd.Core.Rooms;
using OrleansPd.Engines.Dispatch;
using OrleansPd.Gateway.Telemetry;

namespace OrleansPd.Gateway.Http;

/// <summary><c>GET /metrics</c>: the counters of the gateway and the state of its fleet as Prometheus text.</summary>
internal sealed class MetricsEndpoint(GatewayMetrics metrics, PairDispatcher dispatcher, IControlPlane controlPlane)
{
    public void Map(IEndpointRouteBuilder routes) => routes.MapGet("/metrics", Write);

    private Task Write(HttpContext context)
    {
        var text = new StringBuilder(4096);
        metrics.Write(text);
        GatewayMetrics.Header(text, "orleanspd_gateway_open_legs", "gauge", "Requests to engines that have not ended, by role.");
        text.Append($"orleanspd_gateway_open_legs{{role=\"prefill\"}} {dispatcher.OpenPrefillLegs}\n");
        text.Append($"orleanspd_gateway_open_legs{{role=\"decode\"}} {dispatcher.OpenDecodeLegs}\n");
        GatewayMetrics.Counter(text, "orleanspd_gateway_retries_total", "Attempts after the first.", dispatcher.Retries);
        GatewayMetrics.Counter(text, "orleanspd_gateway_resumed_streams_total", "Streams that went on with another pair.", dispatcher.Resumed);
        GatewayMetrics.Counter(text, "orleanspd_gateway_aborts_total", "Abort calls to engines.", dispatcher.Aborter.Sent);
        GatewayMetrics.Counter(text, "orleanspd_gateway_abort_failures_total", "Abort calls that an engine did not take.", dispatcher.Aborter.Failed);
        GatewayMetrics.Gauge(text, "orleanspd_gateway_aborts_waiting", "Aborts that will be said, or said again, later.", dispatcher.Aborter.Waiting);
        WriteFleet(text, controlPlane.Fleet);
        WriteRooms(text, controlPlane.Rooms);
        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        return context.Response.WriteAsync(text.ToString(), context.RequestAborted);
    }

    private static void WriteRooms(StringBuilder text, RoomStats rooms)
    {
        GatewayMetrics.Header(text, "orleanspd_gateway_rooms", "gauge", "Rooms in the table: of live leases, and registered without one.");
        text.Append($"orleanspd_gateway_rooms{{state=\"leased\"}} {rooms.Pinned}\n");
        text.Append($"orleanspd_gateway_rooms{{state=\"registered\"}} {rooms.Held - rooms.Pinned}\n");
        GatewayMetrics.Counter(text, "orleanspd_gateway_room_registrations_total", "Registrations of a room's rank that were taken.", rooms.Registered);
        GatewayMetrics.Counter(text, "orleanspd_gateway_room_conflicts_total", "Registrations of another rank than the one that stands.", rooms.Conflicts);
        GatewayMetrics.Counter(text, "orleanspd_gateway_room_expirations_total", "Rooms that were dropped because of their age.", rooms.Expired);
        GatewayMetrics.Counter(text, "orleanspd_gateway_room_refusals_total", "Rooms that found the table full.", rooms.Refused);
    }

    private static void WriteFleet(StringBuilder text, FleetSnapshot fleet)
    {
        GatewayMetrics.Header(text, "orleanspd_gateway_workers", "gauge", "Workers by role and phase of life.");
        foreach (var group in fleet.Workers.GroupBy(w => (w.Role, w.Phase)).OrderBy(g => g.Key))
        {
            var role = group.Key.Role.ToString().ToLowerInvariant();
            var phase = group.Key.Phase.ToString().ToLowerInvariant();
            text.Append($"orleanspd_gateway_workers{{role=\"{role}\",phase=\"{phase}\"}} {group.Count()}\n");
        }
    }
}
