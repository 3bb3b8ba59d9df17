using System.Text.Json.Nodes;
using Spectre.Console;

namespace OrleansPd.Server.Commands;

/// <summary>Writes the engines of a gateway as a table, on a terminal with borders.</summary>
internal static class WorkersTable
{
    private static readonly string[] Heads =
        ["URL", "ROLE", "PHASE", "MODEL", "DP", "IN FLIGHT", "OTHERS", "CAPACITY", "SAFE TO KILL", "REASON"];

    public static void Write(JsonNode list, CommandContext context)
    {
        var rows = list["workers"]!.AsArray().Select(worker => Row(worker!)).ToArray();
        if (rows.Length == 0)
        {
            context.Out.WriteLine("no engines; add some with 'orleanspd workers add URL --type prefill|decode|regular'");
            return;
        }
        if (!context.Interactive)
        {
            var widths = Enumerable.Range(0, Heads.Length).Select(i => rows.Append(Heads).Max(row => row[i].Length)).ToArray();
            foreach (var row in rows.Prepend(Heads))
                context.Out.WriteLine(string.Join("  ", row.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd());
            return;
        }
        var table = new Table().Border(TableBorder.Rounded);
        foreach (var head in Heads)
            table.AddColumn(head.ToLowerInvariant());
        foreach (var row in rows)
            table.AddRow(row.Select((cell, i) => i == 2 ? Coloured(cell) : Markup.Escape(cell)).ToArray());
        AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(context.Out) }).Write(table);
    }

    private static string[] Row(JsonNode worker)
    {
        var ranks = worker["ranks"]!.AsArray();
        return
        [
            (string)worker["url"]!,
            (string)worker["worker_type"]!,
            (string)worker["phase"]!,
            (string)worker["model_id"]!,
            worker["dp_size"]!.ToString(),
            worker["in_flight"]!.ToString(),
            ranks.Sum(rank => (int)rank!["foreign"]!).ToString(),
            ranks.Sum(rank => (long)rank!["window"]!).ToString(),
            (bool)worker["safe_to_kill"]! ? "yes" : "no",
            worker["reason"]?.ToString() ?? "",
        ];
    }

    private static string Coloured(string phase) => phase switch
    {
        "ready" => "[green]ready[/]",
        "broken" or "registered" => $"[red]{phase}[/]",
        _ => $"[yellow]{Markup.Escape(phase)}[/]",
    };
}
