const PATHS = {
  overview: "M3 3h6v8H3zM11 3h6v4h-6zM11 9h6v8h-6zM3 13h6v4H3z",
  metrics: "M3 16.500V3M3 16.500h14M6 13l3.5-4.5 3 2.500L17 5",
  cache: "M10 3 17 6.5 10 10 3 6.500zM3 10l7 3.500L17 10M3 13.5 10 17l7-3.5",
  traffic: "M3 6h11M11 3l3 3-3 3M17 14H6M9 11l-3 3 3 3",
  upstreams: "M4 4h12v4.500H4zM4 11.500h12V16H4zM7 6.250h.01M7 13.750h.01",
  nodes: "M10 3.200a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM4.5 12.800a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM15.5 12.800a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM9 7l-3.5 6M11 7l3.5 6M6.5 14.800h7",
  alerts: "M10 3a5 5 0 0 0-5 5v3.500L3.5 14h13L15 11.500V8a5 5 0 0 0-5-5zM8.3 16.500h3.4",
  slos: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM10 7a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  reports: "M5 3h7l3 3v11H5zM8 9h4M8 12h4",
  optimization: "M11 3 5 11h4l-1 6 6-8h-4z",
  audit: "M10 3 4 5.500V10c0 3.5 2.5 6 6 7 3.5-1 6-3.5 6-7V5.500zM7.5 10l1.8 1.8 3.2-3.4",
  settings: "M3 6h8M15 6h2M11 4v4M3 14h2M9 14h8M9 12v4",
  pause: "M7 4v12M13 4v12",
  play: "M6 4l10 6-10 6z",
  refresh: "M16 10a6 6 0 1 1-1.8-4.300M16 3v3.500h-3.5",
  sun: "M10 6.500a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM10 2v1.500M10 16.500V18M2 10h1.500M16.5 10H18M4.3 4.300l1.1 1.100M14.6 14.600l1.1 1.100M4.3 15.700l1.1-1.100M14.6 5.400l1.1-1.1",
  moon: "M16 11.500A6.5 6.5 0 0 1 8.5 4a6.5 6.5 0 1 0 7.5 7.500z",
  menu: "M3 5.500h14M3 10h14M3 14.500h14",
  close: "M5 5l10 10M15 5 5 15",
  table: "M3 4h14v12H3zM3 8h14M8 8v8",
  download: "M10 3v9M6.5 8.5 10 12l3.5-3.500M4 16h12",
  search: "M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4zM13 13l4 4",
  check: "M4 10.5 8 14.5 16 5.5",
  warn: "M10 3 18 16.500H2zM10 8v4M10 14.300h.01",
  out: "M8 4H4v12h4M12 6.5 15.5 10 12 13.500M15 10H8",
  link: "M8.5 11.500l3-3M7 9 5 11a2.8 2.8 0 0 0 4 4l2-2M13 11l2-2a2.8 2.8 0 0 0-4-4L9 7",
  copy: "M7 7h9v9H7zM4 13V4h9",
  chevron: "M7 5l5 5-5 5",
  key: "M7 9.500a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM9.2 10.3 16 3.500M13 6.500l2 2",
  bolt: "M11 3 5 11h4l-1 6 6-8h-4z",
  node: "M10 4a6 6 0 1 0 0 12 6 6 0 0 0 0-12z",
  clock: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM10 6v4l2.5 2",
} as const;
export type IconName = keyof typeof PATHS;

export function Icon({ name, className = "size-4" }: { name: IconName; className?: string }) {
  return (
    <svg viewBox="0 0 20 20" className={`shrink-0 ${className}`} fill="none" stroke="currentColor" strokeWidth="1.6"
      strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Logo({ className = "size-7" }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" className={className} aria-hidden="true">
      <path className="fill-brand-solid" d="M2 8.500c6.6-.8 11 1.1 14 5.3 3-4.2 7.4-6.1 14-5.3-3.3 2.5-5.5 4.6-6.9 7.9-1.3 3.2-3.5 6.4-7.1 9.9-3.6-3.5-5.8-6.7-7.1-9.900C7.5 13.1 5.3 11 2 8.500z" />
    </svg>
  );
}
