// Merges cobertura reports of several suites and prints line and branch coverage per project of src and in sum.
// usage: dotnet run .ci/coverage.cs FOLDER
using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;

var lines = new Dictionary<(string Project, string File, int Number), (bool Hit, int Taken, int Branches)>();
foreach (var report in Directory.EnumerateFiles(args[0], "*.cobertura.xml", SearchOption.AllDirectories))
{
    var document = XDocument.Load(report);
    var roots = document.Descendants("source").Select(source => source.Value).ToArray();
    foreach (var type in document.Descendants("class"))
    {
        var name = type.Attribute("filename")!.Value;
        var file = roots.Select(root => Path.Combine(root, name)).FirstOrDefault(File.Exists) ?? name;
        if (Regex.Match(file, "/src/(OrleansPd[^/]*)/(?!obj/)") is not { Success: true } project)
            continue;
        foreach (var line in type.Element("lines")!.Elements("line"))
        {
            var key = (project.Groups[1].Value, file, Number(line, "number"));
            var branches = Regex.Match(line.Attribute("condition-coverage")?.Value ?? "", @"\((\d+)/(\d+)\)");
            var (taken, all) =
                branches.Success ? (Whole(branches.Groups[1].Value), Whole(branches.Groups[2].Value)) : (0, 0);
            var known = lines.GetValueOrDefault(key);
            lines[key] = (known.Hit || Number(line, "hits") > 0, Math.Max(known.Taken, taken), Math.Max(known.Branches, all));
        }
    }
}

Console.WriteLine($"{"project",-24}{"lines",18}{"",8}{"branches",18}");
foreach (var project in lines.GroupBy(line => line.Key.Project).OrderBy(group => group.Key, StringComparer.Ordinal))
    Print(project.Key, project.Select(line => line.Value));
Print("sum", lines.Values);
return lines.Count == 0 ? 1 : 0;

static void Print(string name, IEnumerable<(bool Hit, int Taken, int Branches)> lines)
{
    var list = lines.ToArray();
    var hit = list.Count(line => line.Hit);
    var (taken, branches) = (list.Sum(line => line.Taken), list.Sum(line => line.Branches));
    var (lineCounts, branchCounts) = ($"{hit}/{list.Length}", $"{taken}/{branches}");
    Console.WriteLine(
        $"{name,-24}{lineCounts,18}{Share(hit, list.Length),8}{branchCounts,18}{Share(taken, branches),8}");
}

static string Share(int part, int all) =>
    all == 0 ? "-" : (100.0 * part / all).ToString("0.0", CultureInfo.InvariantCulture) + " %";

static int Number(XElement line, string attribute) => Whole(line.Attribute(attribute)!.Value);

// Hits may exceed an int in loops that run often.
static int Whole(string text) => (int)Math.Min(int.MaxValue, long.Parse(text, CultureInfo.InvariantCulture));
